/**
 * A raised hand: said to the server, kept up by asking what became of it, and put down again.
 *
 * States: `down`, `up`, `declined`, `admitted` (the page goes to the meeting), `failed`. Events: `changed`.
 * Read next: `main.js`.
 */

export class Hand extends EventTarget {
  constructor(base, go) {
    super();
    this.base = base;
    this.go = go;
    this.state = "down";
    this.words = "";
  }

  async raise(name) {
    const url = new URL("hands", this.base);
    url.searchParams.set("name", name);
    try {
      const answer = await fetch(url, { method: "POST" });
      if (!answer.ok) return this.#be("failed", (await answer.text()).trim());
      const { hand } = await answer.json();
      this.url = new URL(`hands/${hand}`, this.base);
      this.#be("up");
      await this.#wait();
    } catch {
      this.#be("failed", "The server cannot be reached. Try again.");
    }
  }

  async lower() {
    const { url } = this;
    this.#be("down");
    await fetch(url, { method: "DELETE" }).catch(() => {});
  }

  async #wait() {
    while (this.state === "up") {
      const answer = await fetch(this.url);
      if (this.state !== "up") return;
      if (!answer.ok) return this.#be("failed", "Your hand sank. Raise it again.");
      const { answer: word, go } = await answer.json();
      if (word === "admitted") {
        this.#be("admitted");
        this.go(go);
      } else if (word === "declined") this.#be("declined");
    }
  }

  #be(state, words = "") {
    this.state = state;
    this.words = words;
    this.dispatchEvent(new Event("changed"));
  }
}
