//! Where a caller or a provider goes wrong: buffers, sizes of keys, providers that fail; and that each step names what it
//! belongs to.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

mod common;

use common::pair::{PROFILES, Pair, answer_with};
use common::{forgot, phone, rng, rsa_key};
use rand_core::CryptoRng;
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::{Profiles, PublicKeyDocument};
use sc_core::envelope::{Envelope, ParseOptions, Profile, encode_exchange_head, exchange_head_len};
use sc_core::error::{Error, Field, KeyRefusal, Malformed, Misuse};
use sc_core::exchange::{WrappedKeyHash, unwrap_keys};
use sc_core::id::{KeyId, SessionId, Ticks, UnixMillis};
use sc_core::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
use sc_core::replay::{ClaimVerdict, IvClaim, IvSet, IvSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RsaPublicKey};
use sc_core::server::{Grant, Received, Refusal, RequestHead};
use sc_core::session::Lifetime;
use sc_core::text;

/// A provider whose keys have as many bits as their SPKI is long, and that never wraps, expands or opens.
#[derive(Debug)]
struct Broken(usize);

impl Provider for Broken {
    type Aead = Self;
    type KeyWrap = Self;
}

impl KeyWrap for Broken {
    fn from_spki(der: &[u8]) -> Result<Self, ProviderError> {
        let bits = u16::from_be_bytes(der.try_into().map_err(|_| ProviderError)?);
        Ok(Self(usize::from(bits)))
    }

    fn modulus_bits(&self) -> usize {
        self.0
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        _: &mut R,
        _: &[u8; 32],
        _: &mut [u8],
    ) -> Result<(), ProviderError> {
        Err(ProviderError)
    }
}

impl Aead for Broken {
    fn expand(_: &[u8; 32]) -> Result<Self, ProviderError> {
        Err(ProviderError)
    }

    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        Err(ProviderError)
    }

    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), ProviderError> {
        Err(ProviderError)
    }
}

/// A random source that is stuck.
struct Stuck;

impl rand_core::TryRng for Stuck {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(7);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Stuck {}

fn document_of(bits: u16) -> PublicKeyDocument {
    let id = KeyId::parse("k").unwrap();
    PublicKeyDocument::new(id, &bits.to_be_bytes(), bits.into(), "", None, Profiles::BOUND).unwrap()
}

#[test]
fn a_client_takes_2048_to_4096_bits_whatever_its_provider_takes() {
    let mut client = Client::<Broken>::new(ClientOptions::default());
    for bits in [0, 1024, 2047, 4097, u16::MAX] {
        let refused = client.accept_key(&document_of(bits), Ticks(0), 1);
        let reason = KeyRefusal::KeySize { said: bits.into(), is: bits.into() };
        assert_eq!(refused, Err(Error::KeyRefused(reason)));
    }
    for bits in [2048, 2049, 4095, 4096] {
        assert_eq!(client.accept_key(&document_of(bits), Ticks(0), 1), Ok(()), "{bits}");
        let head = exchange_head_len(1, usize::from(bits).div_ceil(8));
        assert_eq!(client.first_sealed_len(10), Ok(head + 28 + 10), "{bits}");
    }
}

#[test]
fn a_provider_that_fails_is_an_error_of_ours_and_never_a_refusal_that_the_peer_could_read() {
    let mut client = Client::<Broken>::new(ClientOptions::default());
    client.accept_key(&document_of(2048), Ticks(0), 1).unwrap();
    assert_eq!(client.begin(&mut rng(1)).map(drop), Err(Error::Misuse(Misuse::Provider)));
    let mut out = vec![0; client.first_sealed_len(1).unwrap()];
    let failed = client.begin_inline(&mut rng(1), forgot(), b"q", &mut out).map(drop);
    assert_eq!(failed, Err(Error::Misuse(Misuse::Provider)));

    let mut pair = Pair::new(1, ProfileChoice::RequireBound);
    let session = pair.set_up();
    let (mut body, _) = pair.ask(&session, forgot(), b"question");
    let head = RequestHead { session_id: Some(session.id().as_str()), version: None };
    let Ok(Received::Message(message)) = pair.server.receive(&head, &mut body) else { panic!("not type 2") };
    let record = &pair.store[session.id()].record;
    let failed = message.open::<Broken>(Some(record), &phone(), pair.now, forgot()).map(drop);
    assert_eq!(failed, Err(Refusal::Provider));

    let mut body = pair.first_envelope(b"question");
    let Ok(Received::Setup(setup)) = pair.server.receive(&RequestHead::default(), &mut body) else {
        panic!("not type 1")
    };
    let keys = unwrap_keys(&pair.key.private, &mut pair.rng, setup.wrapped(2048).unwrap());
    assert_eq!(setup.open::<Broken>(keys, phone(), forgot()).map(drop), Err(Refusal::Provider));
}

#[test]
fn no_set_up_begins_without_randomness_or_without_a_key() {
    for profile in PROFILES {
        let pair = Pair::new(2, profile);
        let mut out = vec![0; pair.client.first_sealed_len(1).unwrap()];
        let stuck = Err(Error::Misuse(Misuse::Randomness));
        assert_eq!(pair.client.begin(&mut Stuck).map(drop), stuck);
        assert_eq!(pair.client.begin_inline(&mut Stuck, forgot(), b"q", &mut out).map(drop), stuck);
        let keyless = Client::<Broken>::new(ClientOptions::default());
        let refused = keyless.begin_inline(&mut rng(1), forgot(), b"q", &mut out).map(drop);
        assert_eq!(refused, Err(Error::Misuse(Misuse::NoKey)));
    }
}

#[test]
fn a_first_answer_that_was_changed_opens_nothing_and_makes_no_session() {
    for profile in PROFILES {
        let mut pair = Pair::new(3, profile);
        let mut body = vec![0; pair.client.first_sealed_len(8).unwrap()];
        let awaiting = pair.client.begin_inline(&mut pair.rng, forgot(), b"question", &mut body).unwrap();
        let (_, responder) = pair.serve_first(forgot(), &mut body).unwrap();
        let id = *responder.session_id();
        let mut answer = answer_with(&mut pair.rng, responder, b"answer");
        *answer.last_mut().unwrap() ^= 1;
        let lifetime = Lifetime::new(UnixMillis(1), UnixMillis(0), None);
        assert_eq!(awaiting.open(id, lifetime, pair.ticks, &mut answer).map(drop), Err(Error::Rejected));
        assert!(answer[4..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn every_step_names_the_session_or_the_key_that_it_belongs_to() {
    for (choice, profile) in PROFILES.into_iter().zip([Profile::Plain, Profile::Bound]) {
        let mut pair = Pair::new(4, choice);
        let grant = Grant { id: SessionId::from_raw([9; 24]), expires_at: pair.now.plus(1) };
        let (request, _) = pair.client.begin(&mut pair.rng).unwrap();
        let setup = pair.server.set_up(&request).unwrap();
        let wrapped = setup.wrapped(2048).unwrap();
        let keys = unwrap_keys(&pair.key.private, &mut pair.rng, wrapped);
        let unclaimed = setup.accept(wrapped, keys, phone()).unwrap();
        assert_eq!(unclaimed.key_id(), &pair.key.id);
        let hashes = unclaimed.hashes().map(|hash| WrappedKeyHash::from_bytes(*hash.as_bytes()));
        assert_eq!((&hashes, hashes), (unclaimed.hashes(), wrapped.hashes()));
        assert_ne!(hashes[0], hashes[1]);
        let created = unclaimed.settle(pair.ledger.claim(&hashes), grant).unwrap();
        assert_eq!((created.record.profile(), created.record.key_id()), (profile, &pair.key.id));

        let mut body = pair.first_envelope(b"question");
        let Ok(Received::Setup(setup)) = pair.server.receive(&RequestHead::default(), &mut body) else {
            panic!("not type 1")
        };
        let keys = unwrap_keys(&pair.key.private, &mut pair.rng, setup.wrapped(2048).unwrap());
        let unclaimed = setup.open::<Aes256GcmKey>(keys, phone(), forgot()).unwrap();
        assert_eq!(unclaimed.key_id(), &pair.key.id);

        let session = pair.set_up();
        assert_eq!(session.profile(), profile);
        let (mut body, _) = pair.ask(&session, forgot(), b"question");
        let iv: [u8; 12] = body[4..16].try_into().unwrap();
        let head = RequestHead { session_id: Some(session.id().as_str()), version: None };
        let Ok(Received::Message(message)) = pair.server.receive(&head, &mut body) else {
            panic!("not type 2")
        };
        assert_eq!(message.session_id(), session.id());
        let record = &pair.store[session.id()].record;
        let unclaimed = message.open::<Aes256GcmKey>(Some(record), &phone(), pair.now, forgot()).unwrap();
        assert_eq!((unclaimed.session_id(), unclaimed.claim().iv()), (session.id(), &iv));
    }
}

#[test]
fn looking_at_an_iv_says_what_a_claim_would_and_claims_nothing() {
    let claim = |iv: u8, tag: u8| IvClaim::from_bytes([iv, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, tag, 0, 0, 0]);
    let mut set = IvSet::new([IvSlot::EMPTY; 2], &mut rng(1));
    assert_eq!(set.look(&claim(1, 1)), ClaimVerdict::New);
    assert!(set.is_empty());
    assert_eq!(set.claim(&claim(1, 1)), ClaimVerdict::New);
    assert_eq!(set.look(&claim(1, 1)), ClaimVerdict::Replayed);
    assert_eq!(set.look(&claim(1, 2)), ClaimVerdict::IvReused);
    assert_eq!(set.claim(&claim(2, 1)), ClaimVerdict::New);
    assert_eq!(set.look(&claim(3, 1)), ClaimVerdict::Exhausted);
    let mut set = IvSet::new(vec![IvSlot::EMPTY; 70_000], &mut rng(1));
    for number in 0..65_536_u32 {
        let mut bytes = [0; IvClaim::LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        assert_eq!(set.look(&IvClaim::from_bytes(bytes)), ClaimVerdict::New);
        assert_eq!(set.claim(&IvClaim::from_bytes(bytes)), ClaimVerdict::New);
    }
    assert_eq!(set.look(&IvClaim::from_bytes([0xff; 16])), ClaimVerdict::Exhausted, "whatever room there is");
}

#[test]
fn a_head_is_written_only_where_it_fits_and_only_from_fields_that_an_envelope_may_have() {
    let encode = |key_id: &str, request: usize, response: usize, out: usize| {
        let (request, response) = (vec![1; request], vec![2; response]);
        encode_exchange_head(Profile::Bound, key_id, &request, &response, &mut vec![0; out])
    };
    let needed = exchange_head_len(1, 256);
    assert_eq!(encode("k", 256, 256, needed), Ok(()));
    for given in [0, 3, needed - 1, needed + 1] {
        assert_eq!(encode("k", 256, 256, given), Err(Misuse::BufferLength { needed, given }.into()));
    }
    assert_eq!(encode("", 256, 256, needed), Err(Malformed::KeyIdLength.into()));
    let field = Field::EncryptedReqKey;
    assert_eq!(encode("k", 255, 256, needed), Err(Malformed::WrappedKeyLength { field, len: 255 }.into()));
    let field = Field::EncryptedRespKey;
    assert_eq!(encode("k", 512, 513, needed), Err(Malformed::WrappedKeyLength { field, len: 513 }.into()));
    let differ = Malformed::WrappedKeysDiffer { request: 256, response: 257 };
    assert_eq!(encode("k", 256, 257, needed), Err(differ.into()));
}

#[test]
fn a_parser_without_the_bound_profile_does_not_know_its_version_and_keeps_its_cap() {
    let mut pair = Pair::new(6, ProfileChoice::RequireBound);
    let first = pair.first_envelope(b"question");
    let options = ParseOptions::default().with_max_plaintext(10);
    assert!(Envelope::parse(&first, &options).is_ok());
    assert_eq!(Envelope::parse(&first, &options.without_bound()), Err(Malformed::Version(0x82)));
    let (len, max) = (1327, 1326);
    assert_eq!(Envelope::parse(&[0; 1327], &options.without_bound()), Err(Malformed::TooLong { len, max }));
}

#[test]
fn a_type_1_has_no_text_form_and_a_text_needs_its_room() {
    let mut pair = Pair::new(5, ProfileChoice::Plain);
    let first = pair.first_envelope(b"question");
    assert_eq!(text::encode(&first, &mut [0; 2000]), Err(Error::Malformed(Malformed::Type(1))));
    assert_eq!(text::encode(b"SC", &mut [0; 2000]), Err(Error::Malformed(Malformed::TooShort { len: 2 })));
    let session = pair.set_up();
    for plaintext in [&b""[..], b"a", b"ab", b"abc"] {
        let (body, _) = pair.ask(&session, forgot(), plaintext);
        let needed = text::encoded_len(body.len());
        let short = Misuse::BufferLength { needed, given: needed - 1 };
        assert_eq!(text::encode(&body, &mut vec![0; needed - 1]), Err(short.into()));
        for room in [needed, needed + 7] {
            assert_eq!(text::encode(&body, &mut vec![0; room]).unwrap().len(), needed);
        }
        assert!(text::max_decoded_len(needed) >= body.len(), "a buffer of this length is enough");
        assert!(text::max_decoded_len(needed) <= body.len() + 12, "and not much more");
    }
}

#[test]
fn profiles_are_written_as_they_are_offered() {
    assert_eq!(serde_json::to_string(&Profiles::PLAIN).unwrap(), r#"["plain"]"#);
    assert_eq!(serde_json::to_string(&Profiles::BOUND).unwrap(), r#"["plain","bound"]"#);
}

/// The SPKI of an RSA key with a modulus of `len` bytes, whose first is `first`.
fn spki_of(first: u8, len: usize) -> Vec<u8> {
    let tagged = |tag: u8, content: &[u8]| {
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &len[..], content].concat()
    };
    let mut modulus = vec![0xa5; len];
    modulus[0] = first;
    if first >= 0x80 {
        modulus.insert(0, 0);
    }
    let numbers = [tagged(2, &modulus), vec![2, 3, 1, 0, 1]].concat();
    let bits = tagged(3, &[vec![0], tagged(0x30, &numbers)].concat());
    let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    tagged(0x30, &[algorithm.as_slice(), &bits].concat())
}

#[test]
fn the_provider_takes_rsa_keys_of_2048_to_4096_bits_and_no_others() {
    for (first, len, bits) in [(0xff, 256, 2048), (1, 257, 2049), (0xff, 512, 4096)] {
        let key = RsaPublicKey::from_spki(&spki_of(first, len)).unwrap();
        assert_eq!(key.modulus_bits(), bits);
    }
    for (first, len) in [(0x7f, 256), (0xff, 255), (0xff, 128), (1, 513), (0xff, 513), (0xff, 600)] {
        assert!(RsaPublicKey::from_spki(&spki_of(first, len)).is_err(), "{first} {len}");
    }
    assert!(RsaPublicKey::from_spki(&[0x30; 641]).is_err(), "longer than any");
    for bits in [0, 1024, 2047, 4097] {
        assert!(RsaPrivateKey::generate(&mut rng(1), bits).is_err(), "{bits}");
    }
    let key = RsaPrivateKey::generate(&mut rng(1), 2048).unwrap();
    assert_eq!(key.modulus_bits(), 2048);
    let public = RsaPublicKey::from_spki(&key.to_spki().unwrap()).unwrap();
    for len in [0, 255, 257, 512] {
        assert!(public.wrap(&mut rng(1), &[1; 32], &mut vec![0; len]).is_err(), "{len}");
    }
    assert!(RsaPrivateKey::from_pkcs8(&rsa_key(2048).spki).is_err(), "not a private key");
}
