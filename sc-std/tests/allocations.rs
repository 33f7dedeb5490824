//! No heap allocation per message: counted by the allocator, on both sides, in both profiles, with both providers.
//!
//! The allocator counts what Rust allocates. AWS-LC has an allocator of its own, which it asks when a key is expanded and
//! when RSA works, but not to seal or open (`benches/README.md` tells how that was looked at).
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::convert::Infallible;

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::PublicKeyDocument;
use sc_core::envelope::{Envelope, ParseOptions};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::provider::{Aead, Provider};
use sc_core::replay::{ClaimVerdict, LedgerVerdict};
use sc_core::rustcrypto::{Aes256GcmKey, RustCrypto};
use sc_core::secret::RequestKey;
use sc_core::server::{Grant, NewSession, Received, RequestHead, Server};
use sc_core::session::Session;
use sc_std::keys::KeyRing;
use sc_std::provider::{AwsLc, AwsLcAead, AwsLcPrivateKey};
use sc_std::rng::SystemSeeded;
use sc_std::server::ScServer;
use sc_std::store::MemoryStore;
use tower::{Layer, Service};

const SIZES: [usize; 4] = [0, 28, 4_096, 1 << 20];
const NOW: UnixMillis = UnixMillis(1_795_467_600_000);

/// How many allocations some work makes.
fn allocations(work: impl FnOnce()) -> u64 {
    measure(work).count_total
}

/// The generator of a thread is allocated when it is first used.
fn draw_once() {
    let _ = SessionId::draw(&mut SystemSeeded);
}

#[test]
fn the_counter_sees_an_allocation() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(vec![1]))),
        1,
        "or the tests below would show nothing"
    );
}

fn channel_allocates_nothing<A: Aead>() {
    draw_once();
    let key = RequestKey::from_bytes([7; 32]);
    let opener = Opener::<A>::for_requests(&key).unwrap();
    for mode in [IvMode::Random, IvMode::Counter] {
        let sealer = Sealer::<A>::for_requests(&key, mode, &mut SystemSeeded).unwrap();
        for size in SIZES {
            let (text, mut out) = (vec![0; size], vec![0; size + OVERHEAD]);
            let seal = allocations(|| assert!(sealer.seal_into(&mut SystemSeeded, &text, &mut out).is_ok()));
            let in_place = allocations(|| assert!(sealer.seal_in_place(&mut SystemSeeded, &mut out).is_ok()));
            let options = ParseOptions::default().with_max_plaintext(size);
            let parse = allocations(|| assert!(Envelope::parse(&out, &options).is_ok()));
            let open = allocations(|| assert_eq!(opener.open(&mut out).unwrap().len(), size));
            assert_eq!([seal, in_place, parse, open], [0; 4], "{size} bytes, {mode:?}");
            out.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
            let refused = allocations(|| assert!(opener.open(&mut out).is_err()));
            assert_eq!(refused, 0, "a refusal of {size} bytes");
        }
    }
}

#[test]
fn sealing_parsing_and_opening_allocate_nothing() {
    channel_allocates_nothing::<AwsLcAead>();
    channel_allocates_nothing::<Aes256GcmKey>();
}

/// A session as its two sides hold it.
fn set_up<P: Provider>(server: &Server, profile: ProfileChoice) -> (Session<P>, NewSession, ClientHash) {
    let private = AwsLcPrivateKey::generate(2048).unwrap();
    let id = KeyId::of_spki(private.spki_der());
    let mut client = Client::<P>::new(ClientOptions::default().with_profile(profile));
    let spki = private.spki_der();
    let document =
        PublicKeyDocument::new(id, spki, 2048, "2026-01-01T00:00:00Z", None, server.profiles()).unwrap();
    client.accept_key(&document, Ticks(0), u64::MAX).unwrap();
    let (request, awaiting) = client.begin(&mut SystemSeeded).unwrap();
    let setup = server.set_up(&request).unwrap();
    let wrapped = setup.wrapped(2048).unwrap();
    let keys = unwrap_keys(&private, &mut SystemSeeded, wrapped);
    let device = ClientHash::of(b"a-device").unwrap();
    let unclaimed = setup.accept(wrapped, keys, device).unwrap();
    let grant = Grant { id: SessionId::draw(&mut SystemSeeded), expires_at: NOW.plus(60_000) };
    let created = unclaimed.settle(LedgerVerdict::New, grant).unwrap();
    let session = awaiting.accept(&created.answer(None), NOW, Ticks(0)).unwrap();
    (session, created, device)
}

fn conversation_allocates_nothing<P: Provider>(profile: ProfileChoice) {
    let server = Server::default();
    let (session, created, device) = set_up::<P>(&server, profile);
    let name = MessageName::new("password.forgot").unwrap();
    for size in SIZES {
        let (text, mut frame) = (vec![1; size], vec![0; size + OVERHEAD]);
        let count = allocations(|| {
            let pending = session.seal_into(&mut SystemSeeded, Ticks(0), name, &text, &mut frame).unwrap();
            let id = created.id;
            let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
            let Received::Message(message) = server.receive(&head, &mut frame).unwrap() else {
                unreachable!("a type 2")
            };
            let unclaimed = message.open::<P::Aead>(Some(&created.record), &device, NOW, name).unwrap();
            let opened = unclaimed.settle(ClaimVerdict::New).unwrap();
            assert_eq!(opened.plaintext.len(), size);
            let responder = opened.responder;
            responder.seal_in_place(&mut SystemSeeded, &mut frame).unwrap();
            assert_eq!(pending.open(&mut frame).unwrap().len(), size);
        });
        assert_eq!(count, 0, "{size} bytes, {profile:?}");
    }
}

#[test]
fn a_request_and_its_answer_allocate_nothing_in_either_machine() {
    for profile in [ProfileChoice::Plain, ProfileChoice::RequireBound] {
        conversation_allocates_nothing::<AwsLc>(profile);
        conversation_allocates_nothing::<RustCrypto>(profile);
    }
}

/// Beyond 1,032 bytes glibc keeps no place at hand for the next one (`tcache_max_bytes`). The handler's future is as large as
/// axum's of a route.
#[test]
fn the_future_of_a_request_stays_small_enough_to_be_kept_at_hand() {
    let server = ScServer::builder(KeyRing::daily().unwrap(), MemoryStore::default()).build();
    let handler = |_: Request<Full<Bytes>>| async {
        let room = std::hint::black_box([0_u8; 300]);
        std::future::ready(()).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(room.to_vec())))
    };
    let mut service = server.layer().layer(tower::service_fn(handler));
    let future = service.call(Request::post("/echo").body(Full::default()).unwrap());
    assert!(size_of_val(&*future) <= 1_032, "{} bytes", size_of_val(&*future));
}
