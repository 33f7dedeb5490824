//! Nothing in Redis tells a secret: neither a session key nor an address, in any encoding.

use std::sync::Arc;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use sc_core::id::{ClientHash, SessionId};
use sc_core::replay::LedgerVerdict;
use sc_core::secret::{CandidateKeys, UnwrappedKey};
use sc_core::server::{Grant, NewSession, Server};
use sc_std::clock::{Clock, SystemClock};
use sc_std::rng::SystemSeeded;
use sc_std::store::Store;
use serde_json::json;

use crate::redis::{Cluster, Redis, until};
use crate::serve::{Files, Http, KNOWN};
use crate::server_support::base64;

/// A session that no client has set up.
pub fn session() -> (SessionId, NewSession) {
    let json = json!({"keyId": "k", "encReqKey": base64(&[1; 256]), "encRespKey": base64(&[2; 256])});
    let request = serde_json::from_value(json).unwrap();
    let server = Server::default();
    let setup = server.set_up(&request).unwrap();
    let wrapped = setup.wrapped(2048).unwrap();
    let [one, other] = [[3; 32], [4; 32]].map(|key| UnwrappedKey::from_result(Some(&key)));
    let keys = CandidateKeys::combine(&mut SystemSeeded, one, other);
    let unclaimed = setup.accept(wrapped, keys, ClientHash::of(b"device").unwrap()).unwrap();
    let id = SessionId::draw(&mut SystemSeeded);
    let expires_at = SystemClock::new().now().plus(3_600_000);
    (id, unclaimed.settle(LedgerVerdict::New, Grant { id, expires_at }).unwrap())
}

/// Creates such a session in a store.
pub async fn create<S: Store>(store: &S) -> SessionId {
    let (id, new) = session();
    store.create(new, SystemClock::new().now()).await.unwrap();
    id
}

/// A secret in every form in which somebody might look for it.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    // Base64 of a part that begins anywhere: without the ends, which depend on what stands beside.
    for shift in 0..3 {
        let part = &secret[shift..secret.len() - (secret.len() - shift) % 3];
        forms.push(Base64::encode_string(part).into_bytes());
        forms.push(Base64UrlUnpadded::encode_string(part).into_bytes());
    }
    let mut reversed = secret.to_vec();
    reversed.reverse();
    forms.push(reversed);
    forms.push(secret.iter().flat_map(|byte| [*byte, 0]).collect());
    forms
}

fn holds(dump: &[u8], needle: &[u8]) -> bool {
    dump.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn the_search_finds_what_is_there() {
    let secret = b"user@example.com";
    for form in forms(secret) {
        assert!(holds(&[b"xyz".as_slice(), &form, b"xyz"].concat(), &form));
    }
    let inside = Base64::encode_string(b"abuser@example.comcd");
    assert!(forms(secret).iter().any(|form| holds(inside.as_bytes(), form)), "inside of a longer text");
}

async fn nothing_is_told(url: String, dump: impl Fn() -> Vec<u8>) {
    let (files, http) = (Files::new(), Http::new());
    let server = files.serve(&url, &["--rate-limit", "100/300s"]);
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for n in 0..10 {
        let peer = http.session(&server).await;
        let unknown = format!("nobody{n}@example.org");
        assert_eq!(http.ask(&server, &peer, KNOWN).await, 200);
        assert_eq!(http.ask(&server, &peer, &unknown).await, 200);
        secrets.extend([peer.request_key.to_vec(), peer.response_key.to_vec(), unknown.into_bytes()]);
    }
    secrets.extend([KNOWN, "example.com", "example.org"].map(|text| text.as_bytes().to_vec()));
    secrets.push(vec![0x7f; 32]);
    until("a mail with its token", || files.mails() >= 3);
    let dump = dump();
    assert!(holds(&dump, b"sess_"), "the dump holds the sessions");
    assert!(dump.len() > 5_000, "{}", dump.len());
    for secret in secrets {
        for form in forms(&secret) {
            assert!(!holds(&dump, &form), "{}", String::from_utf8_lossy(&form));
        }
    }
    // Of every mail, the token that its link carries.
    for mail in std::fs::read_dir(files.folder.path().join("outbox")).unwrap() {
        let mail = std::fs::read_to_string(mail.unwrap().path()).unwrap();
        let at = mail.find("token=").unwrap() + "token=".len();
        let token = &mail[at..at + 43];
        let raw = Base64UrlUnpadded::decode_vec(token).unwrap();
        assert!(!holds(&dump, token.as_bytes()) && forms(&raw).iter().all(|form| !holds(&dump, form)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_one_server_tells_nothing() {
    let redis = Arc::new(Redis::start(&[]));
    nothing_is_told(redis.url(), || redis.dump()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_cluster_tells_nothing() {
    let cluster = Cluster::start();
    nothing_is_told(cluster.url(), || cluster.dump()).await;
}
