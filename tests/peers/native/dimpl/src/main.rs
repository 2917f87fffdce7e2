// DTLS peer on dimpl (the DTLS of str0m; DTLS 1.2/1.3, Sans-IO, pure Rust over aws-lc-rs primitives).
// usage: dimpl-dtls13 client|server PORT [12|13|any] [GROUP,... of x25519,p256,p384|-] [mtu=N] [nocookie]
// One JSON line per handshake; the server echoes one message.
use dimpl::{certificate, Config, Dtls, NamedGroup, Output};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (client, port, ver) = (a[1] == "client", &a[2], a.get(3).map_or("13", |s| s));
    let mut b = Config::builder();
    if let Some(g) = a.get(4).filter(|g| *g != "-") {
        let v: Vec<_> = g.split(',').map(|n| match n { "p256" => NamedGroup::Secp256r1, "p384" => NamedGroup::Secp384r1, _ => NamedGroup::X25519 }).collect();
        b = b.kx_groups(&v);
    }
    for o in a.iter().skip(5) {
        if let Some(n) = o.strip_prefix("mtu=") { b = b.mtu(n.parse().unwrap()); }
        if o == "nocookie" { b = b.use_server_cookie(false); }
    }
    let cfg = Arc::new(b.build().unwrap());
    let cert = certificate::generate_self_signed_certificate().unwrap();
    let start = Instant::now();
    let mut d = match ver { "12" => Dtls::new_12(cfg, cert, start), "any" => Dtls::new_auto(cfg, cert, start), _ => Dtls::new_13(cfg, cert, start) };
    d.set_active(client);
    let sock = if client {
        let s = UdpSocket::bind("127.0.0.1:0").unwrap();
        s.connect(format!("127.0.0.1:{port}")).unwrap();
        s
    } else {
        let s = UdpSocket::bind(format!("127.0.0.1:{port}")).unwrap();
        let (_, from) = s.peek_from(&mut [0u8; 2048]).unwrap();
        s.connect(from).unwrap();
        s
    };
    let (mut km, mut peer, mut app, mut done, mut nflights) = (String::new(), 0, String::new(), false, 0);
    let (mut out, mut pkt) = (vec![0u8; 4096], [0u8; 4096]);
    d.handle_timeout(start).unwrap();
    let mut linger: Option<Instant> = None;
    while Instant::now().duration_since(start) < Duration::from_secs(40) {
        let mut wake = Instant::now() + Duration::from_millis(50);
        let mut connected = false;
        loop {
            match d.poll_output(&mut out) {
                Output::Packet(p) => { nflights += 1; sock.send(p).unwrap(); }
                Output::Timeout(t) => { wake = wake.min(t); break; }
                Output::Connected => connected = true,
                Output::PeerCert(c) => peer = c.len(),
                Output::KeyingMaterial(k, p) => km = format!("\"srtp\":\"{p:?}\",\"exporter\":\"{}\",\"exporter_len\":{}", k[..8].iter().map(|b| format!("{b:02x}")).collect::<String>(), k.len()),
                Output::ApplicationData(x) => app = String::from_utf8_lossy(x).into(),
                Output::CloseNotify => { linger = Some(Instant::now()); break; }
                _ => {}
            }
        }
        if connected && client { d.send_application_data(b"hello").unwrap(); continue; }
        if !app.is_empty() && !done {
            done = true;
            println!("{{\"impl\":\"dimpl\",\"role\":\"{}\",\"version\":\"{:?}\",{km},\"peer_cert_len\":{peer},\"datagrams_sent\":{nflights},\"app\":\"{app}\"}}", a[1], d.protocol_version());
            if !client { d.send_application_data(app.as_bytes()).unwrap(); linger = Some(Instant::now() + Duration::from_millis(300)); continue; }
            d.close().unwrap();
            linger = Some(Instant::now() + Duration::from_millis(50));
            continue;
        }
        if linger.is_some_and(|t| Instant::now() >= t) { return; }
        sock.set_read_timeout(Some(wake.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))).unwrap();
        match sock.recv(&mut pkt) {
            Ok(n) => { d.handle_timeout(Instant::now()).unwrap(); d.handle_packet(&pkt[..n]).expect("packet") }
            Err(_) => d.handle_timeout(Instant::now()).expect("timeout"),
        }
    }
    eprintln!("dimpl: no handshake or no data");
    std::process::exit(1);
}
