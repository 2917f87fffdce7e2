// Addresses in messages: what is one, and where it ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces } from "../../meetref/app/page/links.js";

const links = (text) => pieces(text).flatMap(({ href }) => (href ? [href] : []));

test("what is before, between and behind stays what it was", () => {
  assert.deepEqual(pieces("see https://a.example/b?c=1#d, and HTTP://localhost:8080/demo."), [
    { text: "see ", href: null },
    { text: "https://a.example/b?c=1#d", href: "https://a.example/b?c=1#d" },
    { text: ", and ", href: null },
    { text: "HTTP://localhost:8080/demo", href: "HTTP://localhost:8080/demo" },
    { text: ".", href: null },
  ]);
  for (const text of ["", "no address", "https://a.example", "a\nhttps://b.example\n", "http://", "https://[x"])
    assert.equal(pieces(text).map((piece) => piece.text).join(""), text);
});

test("a bracket belongs to an address that opened it", () => {
  assert.deepEqual(links("(https://a.example/b_(c)) (see https://d.example)!"), [
    "https://a.example/b_(c)",
    "https://d.example",
  ]);
});

test("what may be said in one message is looked at as far as it goes", () => {
  const long = `https://a.example/(${"x".repeat(20)})`;
  for (const behind of [")".repeat(3900), ".".repeat(3900), ").".repeat(1900)]) assert.deepEqual(links(long + behind), [long]);
});

test("only pages of the web are linked", () => {
  assert.deepEqual(links("javascript:alert(1) data:text/html,x file:///etc ftp://a.example www.example.org a@b.example"), []);
  assert.deepEqual(links('<a href="https://a.example">'), ["https://a.example"]);
});
