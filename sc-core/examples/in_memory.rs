//! One client and one server in one process: key, session, one sealed request, one sealed answer.

use rand_core::SeedableRng;
use sc_core::client::{Client, ClientOptions};
use sc_core::document::PublicKeyDocument;
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::replay::{IvSet, IvSlot, Ledger, LedgerSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RustCrypto};
use sc_core::server::{Grant, Received, RequestHead, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Time and randomness come from the caller; a real program seeds from the operating system.
    let rng = &mut chacha20::ChaCha20Rng::from_seed([7; 32]);
    let (clock, now) = (Ticks(0), UnixMillis(1_711_929_600_000));
    let name = MessageName::new("password.forgot")?;

    // The server: an RSA key, a ledger of wrapped keys, one session's set of IVs.
    let server = Server::default();
    let private_key = RsaPrivateKey::generate(rng, 2048)?;
    let spki = private_key.to_spki()?;
    let mut ledger = Ledger::new([LedgerSlot::EMPTY; 64], rng);
    let mut ivs = IvSet::new([IvSlot::EMPTY; 64], rng);
    let phone = ClientHash::of(b"fingerprint-of-a-phone")?;

    // GET /web/v1/secure-channel/public-key
    let document = PublicKeyDocument::new(
        KeyId::of_spki(&spki),
        &spki,
        2048,
        "2024-04-01T00:00:00Z",
        None,
        server.profiles(),
    )
    .ok_or("the key does not fit into its document")?;
    let mut client = Client::<RustCrypto>::new(ClientOptions::default());
    client.accept_key(&document, clock, 60_000)?;

    // POST /web/v1/secure-channel/session
    let (request, awaiting) = client.begin(rng)?;
    let setup = server.set_up(&request)?;
    let wrapped = setup.wrapped(2048)?;
    let keys = unwrap_keys(&private_key, rng, wrapped);
    let unclaimed = setup.accept(wrapped, keys, phone)?;
    let verdict = ledger.claim(unclaimed.hashes());
    let grant = Grant { id: SessionId::draw(rng), expires_at: now.plus(60_000) };
    let created = unclaimed.settle(verdict, grant)?;
    let session = awaiting.accept(&created.answer(None), now, clock)?;

    // A sealed request ...
    let question = br#"{"email":"user@example.com"}"#;
    let mut body = [0; 28 + OVERHEAD];
    let pending = session.seal_into(rng, clock, name, question, &mut body)?;

    // ... is opened by the server, and answered once ...
    let id = *session.id();
    let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
    let Received::Message(message) = server.receive(&head, &mut body)? else {
        return Err("not a type 2 envelope".into());
    };
    let unclaimed = message.open::<Aes256GcmKey>(Some(&created.record), &phone, now, name)?;
    let verdict = ivs.claim(unclaimed.claim());
    let opened = unclaimed.settle(verdict)?;
    assert_eq!(opened.plaintext, question);
    let mut answer = [0; 4 + OVERHEAD];
    opened.responder.seal_into(rng, b"done", &mut answer)?;

    // ... and the one who asked opens the answer.
    assert_eq!(pending.open(&mut answer)?, b"done");
    Ok(())
}
