//! The server's side of a set-up, from a request for a session to its record, and the two private operations in it.

use std::hint::black_box;

use sc_core::document::SessionRequest;
use sc_core::envelope::Profile;
use sc_core::exchange::unwrap_keys;
use sc_core::id::{ClientHash, KeyId, SessionId, UnixMillis};
use sc_core::provider::{KeyUnwrap, KeyWrap};
use sc_core::replay::LedgerVerdict;
use sc_core::server::{Grant, Server};
use sc_std::provider::AwsLcPublicKey;
use sc_std::rng::SystemSeeded;

/// One request for a session, which is answered again and again.
pub(crate) struct ServerSide<'k, K> {
    private: &'k K,
    machine: Server,
    client: ClientHash,
    request: SessionRequest,
    wrapped: [Vec<u8>; 2],
}

impl<'k, K: KeyUnwrap> ServerSide<'k, K> {
    pub(crate) fn new(private: &'k K, spki: &[u8]) -> Self {
        let public = AwsLcPublicKey::from_spki(spki).unwrap();
        let wrapped = [1, 2].map(|byte| {
            let mut out = vec![0; private.modulus_bits() / 8];
            public.wrap(&mut SystemSeeded, &[byte; 32], &mut out).unwrap();
            out
        });
        let [request, response] = &wrapped;
        let request = SessionRequest::new(key_id(), request, response, Profile::Bound);
        let client = ClientHash::of(b"a-device").unwrap();
        Self { private, machine: Server::default(), client, request, wrapped }
    }

    pub(crate) fn two_raw_operations(&self) {
        for wrapped in &self.wrapped {
            black_box(self.private.unwrap_key(&mut SystemSeeded, black_box(wrapped)));
        }
    }

    pub(crate) fn set_up(&self) {
        let setup = self.machine.set_up(black_box(&self.request)).unwrap();
        let wrapped = setup.wrapped(self.private.modulus_bits()).unwrap();
        let keys = unwrap_keys(self.private, &mut SystemSeeded, wrapped);
        let unclaimed = setup.accept(wrapped, keys, self.client).unwrap();
        black_box(unclaimed.hashes());
        let grant = Grant { id: SessionId::draw(&mut SystemSeeded), expires_at: UnixMillis(u64::MAX) };
        let _session = black_box(unclaimed.settle(LedgerVerdict::New, grant).unwrap());
    }
}

pub(crate) fn key_id() -> KeyId {
    KeyId::parse("00112233445566778899aabbccddeeff").unwrap()
}
