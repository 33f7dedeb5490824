//! Requests of every kind with everything in them that nobody should find afterwards.

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::Rng;
use sc_std::rng::SystemSeeded;

use crate::image::{Image, pieces};
use crate::serve::{Files, Http, KNOWN, Server, body};
use crate::server_support::{FORGOT, Peer, Reply, SESSION};

/// Sessions of each way.
const SESSIONS: usize = 6;
/// Mails that an account gets in a day.
const MAILS: usize = 3;

/// Secrets by what they are, in pieces that stand nowhere else.
pub struct Past(Vec<(String, Vec<Vec<u8>>)>);

/// Text that stands nowhere else.
fn secret() -> String {
    format!("{:016x}{:016x}", SystemSeeded.next_u64(), SystemSeeded.next_u64())
}

impl Past {
    /// Sets up sessions, sends requests that are answered and requests that are refused, and closes half of the sessions;
    /// the others end by being idle.
    pub async fn live_through(server: &Server, http: &Http, files: &Files) -> Self {
        let mut past = Self(Vec::new());
        for n in 0..SESSIONS * 2 {
            let peer = past.session(server, http, n.is_multiple_of(2)).await;
            past.keep(format!("the request key of session {n}"), peer.request_key);
            past.keep(format!("the response key of session {n}"), peer.response_key);
            past.requests(server, http, &peer).await;
            if n < SESSIONS {
                assert_eq!(http.close(server, &peer).await, 200);
            }
        }
        while files.mails() < MAILS {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        for mail in std::fs::read_dir(files.path("outbox")).unwrap() {
            let mail = std::fs::read_to_string(mail.unwrap().path()).unwrap();
            let token = mail.split_once("token=").unwrap().1.get(..43).unwrap().to_owned();
            past.keep("a reset token".to_owned(), Base64UrlUnpadded::decode_vec(&token).unwrap());
            past.keep("a reset token's text".to_owned(), token);
        }
        past
    }

    fn keep(&mut self, what: String, secret: impl AsRef<[u8]>) {
        self.0.push((what, pieces(secret.as_ref())));
    }

    /// A session, by the endpoint or together with its first message.
    async fn session(&mut self, server: &Server, http: &Http, inline: bool) -> Peer {
        let text = self.address("in a first message");
        let (peer, reply) = loop {
            let peer = http.peer(server).await;
            let (path, set_up) = if inline { (FORGOT, peer.first(&text)) } else { (SESSION, peer.set_up()) };
            let reply = http.post(server, path, &[], set_up).await;
            // BUSY, where the machine has other things to do.
            if reply.status != 503 {
                break (peer, reply);
            }
        };
        assert_eq!(reply.status, 200, "{reply:?}");
        let session = if inline {
            self.answer(&peer, &reply);
            reply.header("x-sc-session-id").unwrap().to_owned()
        } else {
            reply.json()["data"]["sessionId"].as_str().unwrap().to_owned()
        };
        Peer { session, ..peer }
    }

    /// The body that asks for an address that nobody has.
    fn address(&mut self, what: &str) -> Vec<u8> {
        let (local, domain) = (secret(), secret());
        self.keep(format!("an address {what}, before the @"), local.clone());
        self.keep(format!("an address {what}, behind the @"), domain.clone());
        body(&format!("{local}@{domain}"))
    }

    /// Keeps what nobody else hears of an answer: its time.
    fn answer(&mut self, peer: &Peer, reply: &Reply) {
        let opened = String::from_utf8(peer.open(reply)).unwrap();
        let time = opened.split_once("\"timestamp\":").unwrap().1.get(..13).unwrap();
        let data =
            if reply.status == 200 { "\"success\":true,\"code\":\"2000\"" } else { "\"success\":false" };
        // Only as a whole: its parts stand in any answer.
        let answer = format!("\"timestamp\":{time},{data}").into_bytes();
        self.0.push(("an answer".to_owned(), vec![answer]));
    }

    async fn requests(&mut self, server: &Server, http: &Http, peer: &Peer) {
        let unknown = self.address("that nobody has");
        let sealed = peer.seal(&unknown);
        let reply = http.forgot(server, peer, sealed.clone()).await;
        assert_eq!(reply.status, 200);
        self.answer(peer, &reply);
        // Again, and changed: neither is answered.
        assert_eq!(http.forgot(server, peer, sealed).await.status, 409);
        let mut changed = peer.seal(&self.address("in a message that was changed"));
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(http.forgot(server, peer, changed).await.status, 400);

        // Somebody's, as nobody else spells it.
        let spelled: String = KNOWN
            .chars()
            .map(|c| if SystemSeeded.next_u32() & 1 == 0 { c.to_ascii_uppercase() } else { c })
            .collect();
        assert_eq!(http.ask(server, peer, &spelled).await, 200);
        if spelled.get(..12) != Some(&KNOWN[..12]) {
            self.keep("how somebody spelled a known address".to_owned(), spelled);
        }

        // Bodies that break the rules, each in its own way.
        for form in [
            "{\"email\":\"SECRET no address\"}",
            "{\"other\":\"SECRET\"}",
            "{\"email\":[\"SECRET\"]}",
            "SECRET",
            "{\"email\":\"a@b\"} SECRET",
            "{\"email\":\"\\u0061SECRET@b@c\"}",
        ] {
            let word = secret();
            let reply = http.forgot(server, peer, peer.seal(form.replace("SECRET", &word).as_bytes())).await;
            assert_eq!(reply.status, 400, "{form}");
            self.keep(format!("a body like {form}"), word);
            self.answer(peer, &reply);
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is left of any of it, and where.
    pub fn remains(&self, image: &Image) -> Vec<String> {
        self.0.iter().flat_map(|(what, pieces)| image.report(what, pieces)).collect()
    }
}
