// DTLS peer on BoringSSL (DTLS 1.2/1.3, X25519MLKEM768).
// usage: boring-dtls13 client|server PORT [12|13|any] [GROUPS like X25519MLKEM768:X25519, or -] [MTU, 1200]
// One JSON line per handshake; the server echoes one message. Key log lines go to stderr.
use boring::asn1::Asn1Time;
use boring::bn::BigNum;
use boring::ec::{EcGroup, EcKey};
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::PKey;
use boring::ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslRef, SslVerifyMode, SslVersion};
use boring::x509::{X509Builder, X509NameBuilder};
use std::io::{self, Read, Write};
use std::net::UdpSocket;
use foreign_types::ForeignTypeRef;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);

/// Repeats a flight whose time has come.
fn keep_time(ssl: &SslRef) {
    unsafe { boring_sys::DTLSv1_handle_timeout(ssl.as_ptr()) };
}

#[derive(Debug)]
struct Udp(UdpSocket);
impl Read for Udp {
    fn read(&mut self, b: &mut [u8]) -> io::Result<usize> {
        self.0.recv(b)
    }
}
impl Write for Udp {
    fn write(&mut self, b: &[u8]) -> io::Result<usize> {
        self.0.send(b)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (client, port, ver) = (a[1] == "client", &a[2], a.get(3).map_or("13", |s| s));

    let key = PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "boring").unwrap();
    let name = name.build();
    let mut x = X509Builder::new().unwrap();
    x.set_version(2).unwrap();
    x.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    x.set_subject_name(&name).unwrap();
    x.set_issuer_name(&name).unwrap();
    x.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    x.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    x.set_pubkey(&key).unwrap();
    x.sign(&key, MessageDigest::sha256()).unwrap();
    let cert = x.build();

    let mut c = SslContext::builder(SslMethod::dtls()).unwrap();
    let (lo, hi) = match ver {
        "12" => (SslVersion::DTLS1_2, SslVersion::DTLS1_2),
        "any" => (SslVersion::DTLS1_2, SslVersion::DTLS1_3),
        _ => (SslVersion::DTLS1_3, SslVersion::DTLS1_3),
    };
    c.set_min_proto_version(Some(lo)).unwrap();
    c.set_max_proto_version(Some(hi)).unwrap();
    c.set_certificate(&cert).unwrap();
    c.set_private_key(&key).unwrap();
    c.set_tlsext_use_srtp("SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80").unwrap();
    c.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    c.set_keylog_callback(|_, line| eprintln!("{line}"));
    if let Some(g) = a.get(4).filter(|g| *g != "-") {
        c.set_curves_list(g).unwrap();
    }

    let sock = if client {
        let s = UdpSocket::bind("127.0.0.1:0").unwrap();
        s.connect(format!("127.0.0.1:{port}")).unwrap();
        s
    } else {
        let s = UdpSocket::bind(format!("127.0.0.1:{port}")).unwrap();
        let mut b = [0u8; 2048];
        let (_, from) = s.peek_from(&mut b).unwrap();
        s.connect(from).unwrap();
        s
    };
    sock.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let began = Instant::now();
    let mut ssl = Ssl::new(&c.build()).unwrap();
    ssl.set_mtu(a.get(5).map_or(1200, |m| m.parse().unwrap())).unwrap();
    let mut step = if client { ssl.connect(Udp(sock)) } else { ssl.accept(Udp(sock)) };
    let mut st = loop {
        match step {
            Ok(stream) => break stream,
            Err(HandshakeError::WouldBlock(middle)) if began.elapsed() < PATIENCE => {
                keep_time(middle.ssl());
                step = middle.handshake();
            }
            Err(error) => panic!("handshake: {error:?}"),
        }
    };

    let s = st.ssl();
    // TLS 1.3 exporters depend on the length
    let mut ekm = vec![0u8; if s.selected_srtp_profile().is_some_and(|p| p.name() == "SRTP_AES128_CM_SHA1_80") { 60 } else { 56 }];
    s.export_keying_material(&mut ekm, "EXTRACTOR-dtls_srtp", None).unwrap();
    let mut out = format!(
        "{{\"impl\":\"boringssl\",\"role\":\"{}\",\"version\":\"{}\",\"cipher\":\"{}\",\"group\":\"{}\",\"srtp\":\"{}\",\"exporter\":\"{}\",\"peer_cert\":{}",
        a[1], s.version_str(), s.current_cipher().unwrap().name(), s.curve_name().unwrap_or("-"),
        s.selected_srtp_profile().map_or("-", |p| p.name()),
        ekm[..8].iter().map(|b| format!("{b:02x}")).collect::<String>(), s.peer_certificate().is_some());
    let mut buf = [0u8; 2048];
    if client {
        st.write_all(b"hello").unwrap();
    }
    let n = loop {
        match st.read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < PATIENCE => keep_time(st.ssl()),
            read => break read.unwrap(),
        }
    };
    out += &format!(",\"app\":\"{}\"}}", String::from_utf8_lossy(&buf[..n]));
    if !client {
        st.write_all(&buf[..n]).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{out}");
    let _ = st.shutdown();
}
