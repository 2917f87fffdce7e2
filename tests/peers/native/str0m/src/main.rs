// A whole peer on str0m (ICE, DTLS by dimpl, SRTP) that takes JSON lines; one audio section, RTP packet by packet.
// usage: str0m-person 12|13|auto
//   {"do": "offer"} | {"do": "answer", "sdp": ...} -> {"sdp": ...}      {"do": "accept", "sdp": ...} -> {}
//   {"do": "connected"} -> {"version": ...}                             once ICE and DTLS are
//   {"do": "send", "payload_type": ..., "payload": ...} -> {"ssrc": ...}
//   {"do": "received"} -> {"ssrc": ..., "payload_type": ..., "payload": ...}        once a packet is opened
use serde_json::{json, Value};
use std::collections::VecDeque;
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{channel, Receiver, TryRecvError};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsVersion;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

const PATIENCE: Duration = Duration::from_millis(5); // how long a command may wait for the socket

struct Person {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    offered: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    connected: bool,
    received: VecDeque<RtpPacket>,
    sent: u64,
}

impl Person {
    fn new(version: DtlsVersion) -> Person {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let mut rtc = Rtc::builder().set_dtls_version(version).set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
        let (received, sent) = (VecDeque::new(), 0);
        Person { rtc, socket, local, offered: None, mid: None, connected: false, received, sent }
    }

    // What is said to a command; None while it is too early for it.
    fn obey(&mut self, command: &Value) -> Option<Value> {
        let sdp = command["sdp"].as_str().unwrap_or_default();
        match command["do"].as_str().unwrap() {
            "offer" => Some(self.offer()),
            "answer" => {
                let offer = SdpOffer::from_sdp_string(sdp).unwrap();
                Some(json!({"sdp": self.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()}))
            }
            "accept" => {
                let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
                self.rtc.sdp_api().accept_answer(self.offered.take().unwrap(), answer).unwrap();
                Some(json!({}))
            }
            "connected" => self.connected.then(|| self.describe()),
            "send" => Some(self.send(command)),
            "received" => self.received.pop_front().map(|packet| {
                let payload = String::from_utf8_lossy(&packet.payload).into_owned();
                json!({"ssrc": *packet.header.ssrc, "payload_type": *packet.header.payload_type, "payload": payload})
            }),
            other => panic!("no command {other}"),
        }
    }

    fn offer(&mut self) -> Value {
        let mut changes = self.rtc.sdp_api();
        self.mid = Some(changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        let (offer, pending) = changes.apply().unwrap();
        self.offered = Some(pending);
        json!({"sdp": offer.to_sdp_string()})
    }

    fn describe(&mut self) -> Value {
        json!({"version": format!("{:?}", self.rtc.direct_api().dtls_protocol_version().unwrap())})
    }

    fn send(&mut self, command: &Value) -> Value {
        let payload_type = (command["payload_type"].as_u64().unwrap() as u8).into();
        let payload = command["payload"].as_str().unwrap().as_bytes();
        let mut streams = self.rtc.direct_api();
        let stream = streams.stream_tx_by_mid(self.mid.unwrap(), None).expect("a section to send in");
        self.sent += 1;
        stream.write_rtp(RtpWrite::new(payload_type, self.sent.into(), 960 * self.sent as u32, Instant::now(), payload));
        json!({"ssrc": *stream.ssrc()})
    }

    // Give away all that str0m has to give; when it wants to be woken.
    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => return at,
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination).unwrap();
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::MediaAdded(media)) => self.mid = Some(media.mid),
                Output::Event(Event::RtpPacket(packet)) => self.received.push_back(packet),
                Output::Event(_) => {}
            }
        }
    }

    // Wait for one datagram, or for the time.
    fn listen(&mut self, wake_at: Instant) {
        let wait = wake_at.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), PATIENCE);
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut octets = [0; 2048];
        let arrived = self.socket.recv_from(&mut octets);
        let now = Instant::now();
        let Ok((size, source)) = arrived else {
            return self.rtc.handle_input(Input::Timeout(now)).unwrap();
        };
        if let Ok(contents) = octets[..size].try_into() {
            let datagram = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
            self.rtc.handle_input(Input::Receive(now, datagram)).unwrap();
        }
    }
}

fn commands() -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            sender.send(serde_json::from_str(&line.unwrap()).unwrap()).unwrap();
        }
    });
    receiver
}

fn main() {
    str0m::crypto::from_feature_flags().install_process_default();
    let mut person = Person::new(match std::env::args().nth(1).as_deref() {
        Some("12") => DtlsVersion::Dtls12,
        Some("13") => DtlsVersion::Dtls13,
        _ => DtlsVersion::Auto,
    });
    let (commands, mut waiting) = (commands(), None);
    loop {
        if waiting.is_none() {
            waiting = match commands.try_recv() {
                Ok(command) => Some(command),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return,
            };
        }
        if let Some(answer) = waiting.as_ref().and_then(|command| person.obey(command)) {
            println!("{answer}");
            waiting = None;
        }
        let wake_at = person.drain();
        person.listen(wake_at);
    }
}
