//! sc-core with its default provider, real AES-GCM and real RSA, without std: only an allocator, here the simplest.
//! Links only if nothing in the dependency tree needs std (`E0152`); the exit code is the step that failed.
//!
//! The generator is a stand-in: NOT CRYPTOGRAPHY.
#![no_std]
#![no_main]

extern crate alloc;

#[path = "../../bare.rs"]
mod bare;

use alloc::vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicUsize, Ordering};

use bare::ToyRng;
use sc_core::client::{Client, ClientOptions};
use sc_core::document::{Profiles, PublicKeyDocument};
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::limits::OVERHEAD;
use sc_core::replay::{Ledger, LedgerSlot};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey, RustCrypto};
use sc_core::server::{Grant, Received, RequestHead, Server};
use sc_core::session::Lifetime;

/// The published RSA-2048 key of the vectors.
const KEY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/key.der"));

const HEAP: usize = 64 << 20;

/// Hands out memory and takes none back: enough for one run. An allocator is unsafe by its nature; this one gives
/// each byte of its heap to one caller at most, since `next` only grows.
struct Bump {
    heap: UnsafeCell<[u8; HEAP]>,
    next: AtomicUsize,
}

// SAFETY: the heap is reached through `alloc` only, which gives each part of it away once.
unsafe impl Sync for Bump {}

// SAFETY: a returned block lies in the heap, is aligned, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.heap.get().cast::<u8>();
        let mut start = 0;
        let reserved = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            start = (base.addr() + next).next_multiple_of(layout.align()) - base.addr();
            start.checked_add(layout.size()).filter(|end| *end <= HEAP)
        });
        match reserved {
            // SAFETY: start + size is at most HEAP.
            Ok(_) => unsafe { base.add(start) },
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { heap: UnsafeCell::new([0; HEAP]), next: AtomicUsize::new(0) };

/// A first request with real RSA, and its answer; the error is the step that failed.
fn conversation() -> Result<(), c_int> {
    let rng = &mut ToyRng(7);
    let (clock, now) = (Ticks(0), UnixMillis(1_711_929_600_000));
    let name = MessageName::new("password.forgot").map_err(|_| 2)?;
    let phone = ClientHash::of(b"fingerprint-of-a-phone").map_err(|_| 3)?;
    let (server, question) = (Server::default(), br#"{"email":"user@example.com"}"#);
    let private_key = RsaPrivateKey::from_pkcs8(KEY).map_err(|_| 4)?;
    let spki = private_key.to_spki().map_err(|_| 5)?;
    let mut ledger = Ledger::new(vec![LedgerSlot::EMPTY; 16], rng);

    let key_id = KeyId::of_spki(&spki);
    let document = PublicKeyDocument::new(key_id, &spki, 2048, "", None, Profiles::BOUND).ok_or(6)?;
    let mut client = Client::<RustCrypto>::new(ClientOptions::default());
    client.accept_key(&document, clock, 60_000).map_err(|_| 7)?;

    let mut body = vec![0; client.first_sealed_len(question.len()).map_err(|_| 10)?];
    let awaiting = client.begin_inline(rng, name, question, &mut body).map_err(|_| 11)?;
    let Ok(Received::Setup(setup)) = server.receive(&RequestHead::default(), &mut body) else {
        return Err(12);
    };
    let keys = unwrap_keys(&private_key, rng, setup.wrapped(2048).map_err(|_| 13)?);
    let unclaimed = setup.open::<Aes256GcmKey>(keys, phone, name).map_err(|_| 14)?;
    let verdict = ledger.claim(unclaimed.hashes());
    let grant = Grant { id: SessionId::draw(rng), expires_at: now.plus(60_000) };
    let (created, opened) = unclaimed.settle(verdict, grant).map_err(|_| 15)?;
    if opened.plaintext != question {
        return Err(16);
    }
    let mut answer = [0; 4 + OVERHEAD];
    opened.responder.seal_into(rng, b"done", &mut answer).map_err(|_| 17)?;
    let lifetime = Lifetime::new(grant.expires_at, now, None);
    let (session, plaintext) = awaiting.open(created.id, lifetime, clock, &mut answer).map_err(|_| 18)?;
    if plaintext == b"done" && session.id() == &created.id { Ok(()) } else { Err(19) }
}

/// Where the C library begins. Unsafe, as every symbol is that a linker sees by its name.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    conversation().err().unwrap_or(0)
}
