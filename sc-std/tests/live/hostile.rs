//! What a server must withstand: requests of every hostile kind, and connections that never come to an end.

use std::io::Write;
use std::net::TcpStream;

use rand_core::Rng;
use sc_std::rng::SystemSeeded;

use crate::server_support::{CLOSE, FORGOT, Peer, SESSION};

/// How many kinds of hostile requests there are.
pub const KINDS: u32 = 15;

pub fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SystemSeeded.fill_bytes(&mut bytes);
    bytes
}

/// One hostile request of a kind; its path, its session and its body.
pub fn hostile(kind: u32, peer: &Peer, recorded: &[u8], set_up: &Peer) -> (&'static str, String, Vec<u8>) {
    let session = peer.session.clone();
    match kind {
        0 => (FORGOT, session, random(200)),
        1 => (FORGOT, session, [b"SC\x02\x02".as_slice(), &random(20)].concat()),
        2 => (FORGOT, session, br#"{"email":"user@example.com"}"#.to_vec()),
        // Recorded traffic, as it was and changed.
        3 => (FORGOT, session, recorded.to_vec()),
        4 => {
            let mut changed = recorded.to_vec();
            let at = 4 + usize::try_from(SystemSeeded.next_u32()).unwrap() % (changed.len() - 4);
            changed[at] ^= 1;
            (FORGOT, session, changed)
        }
        // A well-made envelope under keys of its own, in somebody's session and in none.
        5 => (FORGOT, session, set_up.seal(b"{}")),
        6 => (FORGOT, format!("sess_{}", "A".repeat(32)), set_up.seal(b"{}")),
        7 => (FORGOT, "nonsense".to_owned(), recorded.to_vec()),
        // Set-ups: recorded, and with keys that do not unwrap.
        8 => (SESSION, String::new(), set_up.set_up()),
        9 | 10 => {
            let mut broken = Peer::of_wrapped(&set_up.key_id, [random(256), random(256)]);
            broken.wrapped.iter_mut().for_each(|key| key[0] = 0);
            let body = if kind == 9 { broken.set_up() } else { broken.first(b"{}") };
            (if kind == 9 { SESSION } else { FORGOT }, String::new(), body)
        }
        11 => (SESSION, String::new(), br#"{"keyId":"k","encReqKey":1,"encRespKey":[]}"#.repeat(50)),
        12 => (CLOSE, format!("sess_{}", "B".repeat(32)), Vec::new()),
        // Larger than any envelope may be.
        13 => (SESSION, String::new(), random(20_000)),
        _ => (FORGOT, session, random(70_000)),
    }
}

/// A connection that never comes to an end by itself: half a head, a head without its body, or a head without its end.
pub fn half_open(url: &str, n: usize) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    let sent = match n % 3 {
        0 => "POST /web/v1/system/auth/pass".to_owned(),
        1 => format!(
            "POST {FORGOT} HTTP/1.1\r\nhost: x\r\nx-client-hash: x\r\ncontent-length: 900000\r\n\r\nSC"
        ),
        _ => format!("POST {SESSION} HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n", "a".repeat(8_000)),
    };
    stream.write_all(sent.as_bytes())?;
    Ok(stream)
}
