//! Both machines of sc-core on fixed buffers: no std, no allocator. Links only if nothing in the dependency tree needs
//! either (`E0152`, "no global memory allocator"); runs as a smoke test, whose exit code is the step that failed.
//!
//! The AEAD is `aes-gcm`. The key wrap and the generator are stand-ins: NOT CRYPTOGRAPHY.
#![no_std]
#![no_main]

#[path = "../../bare.rs"]
mod bare;

use core::ffi::{c_char, c_int};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use bare::ToyRng;
use rand_core::CryptoRng;
use sc_core::client::{Client, ClientOptions, ProfileChoice};
use sc_core::document::{Profiles, PublicKeyDocument};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::provider::{Aead, KeyUnwrap, KeyWrap, Provider, ProviderError};
use sc_core::replay::{IvSet, IvSlot, Ledger, LedgerSlot};
use sc_core::secret::UnwrappedKey;
use sc_core::server::{Grant, Received, RequestHead, Server};
use sc_core::session::Lifetime;

struct Device;

impl Provider for Device {
    type Aead = DeviceAead;
    type KeyWrap = ToyWrap;
}

struct DeviceAead(Aes256Gcm);

impl Aead for DeviceAead {
    fn expand(key: &[u8; 32]) -> Result<Self, ProviderError> {
        Ok(Self(Aes256Gcm::new(key.into())))
    }

    fn seal(&self, iv: &[u8; 12], data: &[u8], buffer: &mut [u8]) -> Result<[u8; 16], ProviderError> {
        let sealed = self.0.encrypt_inout_detached(&Nonce::from(*iv), data, buffer.into());
        sealed.map(Into::into).map_err(|_| ProviderError)
    }

    fn open(
        &self,
        iv: &[u8; 12],
        data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), ProviderError> {
        let opened = self.0.decrypt_inout_detached(&Nonce::from(*iv), data, buffer.into(), &Tag::from(*tag));
        opened.map_err(|_| ProviderError)
    }
}

/// NOT CRYPTOGRAPHY: the key in the clear behind a mask that everybody knows, and noise up to the length of RSA-2048.
/// RSA needs an allocator in Rust; a device has a secure element for it.
struct ToyWrap;

const MASK: u8 = 0x5a;

impl KeyWrap for ToyWrap {
    fn from_spki(_: &[u8]) -> Result<Self, ProviderError> {
        Ok(Self)
    }

    fn modulus_bits(&self) -> usize {
        2048
    }

    fn wrap<R: CryptoRng + ?Sized>(
        &self,
        rng: &mut R,
        key: &[u8; 32],
        out: &mut [u8],
    ) -> Result<(), ProviderError> {
        rng.fill_bytes(out);
        let place = out.first_chunk_mut::<32>().ok_or(ProviderError)?;
        *place = key.map(|byte| byte ^ MASK);
        Ok(())
    }
}

impl KeyUnwrap for ToyWrap {
    fn modulus_bits(&self) -> usize {
        2048
    }

    fn unwrap_key<R: CryptoRng + ?Sized>(&self, _: &mut R, wrapped: &[u8]) -> UnwrappedKey {
        let key = wrapped.first_chunk::<32>().map(|key| key.map(|byte| byte ^ MASK));
        UnwrappedKey::from_result(key.as_ref().map(<[u8; 32]>::as_slice))
    }
}

/// One conversation in each way of setting up; the error is the step that failed.
fn conversation() -> Result<(), c_int> {
    let rng = &mut ToyRng(7);
    let (clock, now) = (Ticks(0), UnixMillis(1_711_929_600_000));
    let name = MessageName::new("password.forgot").map_err(|_| 2)?;
    let phone = ClientHash::of(b"fingerprint-of-a-phone").map_err(|_| 3)?;
    let (server, question) = (Server::default(), br#"{"email":"user@example.com"}"#);
    let mut ledger = Ledger::new([LedgerSlot::EMPTY; 16], rng);
    let mut ivs = IvSet::new([IvSlot::EMPTY; 16], rng);

    let key_id = KeyId::of_spki(b"not an SPKI");
    let document =
        PublicKeyDocument::new(key_id, b"not an SPKI", 2048, "", None, Profiles::BOUND).ok_or(4)?;
    let mut client =
        Client::<Device>::new(ClientOptions::default().with_profile(ProfileChoice::RequireBound));
    client.accept_key(&document, clock, 60_000).map_err(|_| 5)?;

    // The session endpoint.
    let (request, awaiting) = client.begin(rng).map_err(|_| 10)?;
    let setup = server.set_up(&request).map_err(|_| 11)?;
    let wrapped = setup.wrapped(2048).map_err(|_| 12)?;
    let unclaimed = setup.accept(wrapped, unwrap_keys(&ToyWrap, rng, wrapped), phone).map_err(|_| 13)?;
    let verdict = ledger.claim(unclaimed.hashes());
    let grant = Grant { id: SessionId::draw(rng), expires_at: now.plus(60_000) };
    let created = unclaimed.settle(verdict, grant).map_err(|_| 14)?;
    let session = awaiting.accept(&created.answer(None), now, clock).map_err(|_| 15)?;

    let mut body = [0; 28 + OVERHEAD];
    let pending = session.seal_into(rng, clock, name, question, &mut body).map_err(|_| 16)?;
    let id = *session.id();
    let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
    let Ok(Received::Message(message)) = server.receive(&head, &mut body) else { return Err(17) };
    let unclaimed = message.open::<DeviceAead>(Some(&created.record), &phone, now, name).map_err(|_| 18)?;
    let verdict = ivs.claim(unclaimed.claim());
    let opened = unclaimed.settle(verdict).map_err(|_| 19)?;
    if opened.plaintext != question {
        return Err(20);
    }
    let mut answer = [0; 4 + OVERHEAD];
    opened.responder.seal_into(rng, b"done", &mut answer).map_err(|_| 21)?;
    if pending.open(&mut answer).map_err(|_| 22)? != b"done" {
        return Err(23);
    }

    // A type 1 envelope.
    let mut body = [0; 640];
    let len = client.first_sealed_len(question.len()).map_err(|_| 30)?;
    let body = body.get_mut(..len).ok_or(31)?;
    let awaiting = client.begin_inline(rng, name, question, body).map_err(|_| 32)?;
    let Ok(Received::Setup(setup)) = server.receive(&RequestHead::default(), body) else { return Err(33) };
    let keys = unwrap_keys(&ToyWrap, rng, setup.wrapped(2048).map_err(|_| 34)?);
    let unclaimed = setup.open::<DeviceAead>(keys, phone, name).map_err(|_| 35)?;
    let verdict = ledger.claim(unclaimed.hashes());
    let grant = Grant { id: SessionId::draw(rng), expires_at: now.plus(60_000) };
    let (created, opened) = unclaimed.settle(verdict, grant).map_err(|_| 36)?;
    let mut answer = [0; 4 + OVERHEAD];
    opened.responder.seal_into(rng, b"done", &mut answer).map_err(|_| 37)?;
    let lifetime = Lifetime::new(grant.expires_at, now, None);
    let (session, plaintext) = awaiting.open(created.id, lifetime, clock, &mut answer).map_err(|_| 38)?;
    if plaintext != b"done" || session.id() != &created.id {
        return Err(39);
    }

    // What is changed on the way is refused, here too.
    let mut body = [0; 28 + OVERHEAD];
    let _ = session.seal_into(rng, clock, name, question, &mut body).map_err(|_| 40)?;
    body[20] ^= 1;
    let id = *session.id();
    let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
    let Ok(Received::Message(message)) = server.receive(&head, &mut body) else { return Err(41) };
    match message.open::<DeviceAead>(Some(&created.record), &phone, now, name) {
        Ok(_) => Err(42),
        Err(_) => Ok(()),
    }
}

/// Where the C library begins. Unsafe, as every symbol is that a linker sees by its name.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    conversation().err().unwrap_or(0)
}
