//! One vector, and how each machine plays its part in it.

use sc_core::client::{AwaitingFirst, Client, ClientOptions, ProfileChoice};
use sc_core::document::{Profiles, PublicKeyDocument, SessionAnswer};
use sc_core::envelope::Profile;
use sc_core::error::Error;
use sc_core::exchange::unwrap_keys;
use sc_core::id::{KeyId, MessageName, SessionId, Ticks, UnixMillis};
use sc_core::provider::Aead;
use sc_core::replay::{ClaimVerdict, LedgerVerdict};
use sc_core::rustcrypto::Aes256GcmKey;
use sc_core::server::{Grant, Opened, Received, Refusal, RequestHead, Server, SessionRecord};
use sc_core::session::Session;
use sha2::{Digest, Sha256};

use crate::common::vector::Vector;
use crate::common::{phone, rng, rsa_key};
use crate::provider::{Scripted, ScriptedAead, ScriptedRng, replace_context, script};

const NOW: UnixMillis = UnixMillis(1_711_929_600_000);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A vector in the types of the crate.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: usize,
    pub(crate) profile: Profile,
    pub(crate) request_key: [u8; 32],
    pub(crate) response_key: [u8; 32],
    pub(crate) context: [u8; 32],
    pub(crate) session: String,
    pub(crate) message: String,
    /// The IV of the request that a type 129 answers.
    pub(crate) request_iv: [u8; 12],
    pub(crate) iv: [u8; 12],
    pub(crate) plaintext: Vec<u8>,
    pub(crate) associated_data: Vec<u8>,
    pub(crate) envelope: Vec<u8>,
}

impl Case {
    /// From `envelopes.json`.
    pub(crate) fn binary(v: &Vector) -> Self {
        let keys = [v.array("request_key"), v.array("response_key")];
        Self::new(v, v.number("type"), keys, v.bytes("envelope"))
    }

    /// From `text.json`, given the binary envelope that the text stands for.
    pub(crate) fn text(v: &Vector, envelope: Vec<u8>) -> Self {
        let (key, other) = (v.array("key"), [0x77; 32]);
        match v.text("direction") {
            "request" => Self::new(v, 2, [key, other], envelope),
            _ => Self::new(v, 129, [other, key], envelope),
        }
    }

    fn new(v: &Vector, kind: usize, [request_key, response_key]: [[u8; 32]; 2], envelope: Vec<u8>) -> Self {
        let or = |field: &str, default: &str| if v.has(field) { v.text(field) } else { default }.to_owned();
        Self {
            name: v.name().to_owned(),
            kind,
            profile: if v.text("profile") == "bound" { Profile::Bound } else { Profile::Plain },
            request_key,
            response_key,
            context: if v.has("ctx") { v.array("ctx") } else { [0xcc; 32] },
            session: or("session_id", "sess_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            message: or("message", "password.forgot"),
            request_iv: if v.has("request_iv") { v.array("request_iv") } else { [0x1e; 12] },
            iv: v.array("iv"),
            plaintext: v.bytes("plaintext"),
            associated_data: v.bytes("associated_data"),
            envelope,
        }
    }

    pub(crate) fn message(&self) -> MessageName<'_> {
        MessageName::new(&self.message).unwrap()
    }

    /// The server's record of the session, in the form that a store keeps.
    fn record(&self) -> SessionRecord {
        let bytes = [
            &[1, u8::from(self.profile == Profile::Bound)],
            [0xff; 8].as_slice(),
            &self.request_key,
            &self.response_key,
            &self.context,
            &Sha256::digest(b"fingerprint-of-a-phone"),
            b"any-key",
        ]
        .concat();
        SessionRecord::decode(&bytes).unwrap()
    }

    /// A client that is about to set up a session with the vector's keys.
    fn client(&self, bits: usize, key_id: &str) -> Client<Scripted> {
        let choice = match self.profile {
            Profile::Plain => ProfileChoice::Plain,
            Profile::Bound => ProfileChoice::RequireBound,
        };
        let mut client = Client::new(ClientOptions::default().with_profile(choice));
        let (spki, id) = (&rsa_key(bits).spki, KeyId::parse(key_id).unwrap());
        let size = u32::try_from(bits).unwrap();
        let document = PublicKeyDocument::new(id, spki, size, "", None, Profiles::BOUND).unwrap();
        client.accept_key(&document, Ticks(0), DAY_MS).unwrap();
        client
    }

    /// The client's session, and the generator that gives the IV of its next request.
    pub(crate) fn session(&self, next_iv: [u8; 12]) -> (Session<Scripted>, ScriptedRng) {
        let wrapped = [vec![0x11; 256], vec![0x22; 256]];
        script([(self.request_key, wrapped[0].clone()), (self.response_key, wrapped[1].clone())]);
        let mut rng = ScriptedRng::new([self.request_key.as_slice(), &self.response_key, &next_iv]);
        let (request, awaiting) = self.client(2048, "k").begin(&mut rng).unwrap();
        assert_eq!([request.enc_req_key.as_slice(), request.enc_resp_key.as_slice()], wrapped.each_ref());

        let exchange = [b"\x01k\x01\x00".as_slice(), &wrapped[0], b"\x01\x00", &wrapped[1]].concat();
        replace_context(Sha256::digest(exchange).into(), self.context);
        let id = SessionId::parse(&self.session).unwrap();
        let answer = SessionAnswer::new(id, NOW.plus(DAY_MS).0, None, self.profile);
        (awaiting.accept(&answer, NOW, Ticks(0)).unwrap(), rng)
    }

    /// The client seals the vector's request of type 2.
    pub(crate) fn client_seals(&self) -> Vec<u8> {
        let (session, mut rng) = self.session(self.iv);
        let mut out = vec![0; self.plaintext.len() + 32];
        let _ = session.seal_into(&mut rng, Ticks(0), self.message(), &self.plaintext, &mut out).unwrap();
        rng.finish();
        out
    }

    /// The client opens the vector's answer of type 129.
    pub(crate) fn client_opens(&self, body: &mut [u8]) -> Result<Vec<u8>, Error> {
        let (session, mut rng) = self.session(self.request_iv);
        let pending = session.seal_into(&mut rng, Ticks(0), self.message(), b"", &mut [0; 32]).unwrap();
        pending.open(body).map(|plaintext| plaintext.to_vec())
    }

    /// The client seals the vector's first request, of type 1.
    pub(crate) fn client_seals_first(&self, v: &Vector) -> (Vec<u8>, AwaitingFirst<'_, Scripted>) {
        script([(self.request_key, v.bytes("enc_req_key")), (self.response_key, v.bytes("enc_resp_key"))]);
        let client = self.client(v.number("bits"), v.text("key_id"));
        let mut rng = ScriptedRng::new([self.request_key.as_slice(), &self.response_key, &self.iv]);
        let mut out = vec![0; client.first_sealed_len(self.plaintext.len()).unwrap()];
        let awaiting = client.begin_inline(&mut rng, self.message(), &self.plaintext, &mut out).unwrap();
        rng.finish();
        (out, awaiting)
    }

    /// The server opens a request of type 2.
    pub(crate) fn server_opens<'n>(
        &'n self,
        body: &'n mut [u8],
    ) -> Result<Opened<'n, 'n, ScriptedAead>, Refusal> {
        let head = RequestHead { session_id: Some(&self.session), version: Some("2") };
        let Received::Message(message) = Server::default().receive(&head, body)? else {
            panic!("not type 2")
        };
        message.open(Some(&self.record()), &phone(), NOW, self.message())?.settle(ClaimVerdict::New)
    }

    /// The server answers the request that the vector's answer answers, which somebody else sealed.
    pub(crate) fn server_seals(&self) -> Vec<u8> {
        script([]);
        let data = match self.profile {
            Profile::Plain => Vec::new(),
            Profile::Bound => {
                let parts = [b"SC\x02\x02", self.context.as_slice(), self.session.as_bytes()];
                [parts.concat(), self.message.clone().into_bytes()].concat()
            }
        };
        let key = Aes256GcmKey::expand(&self.request_key).unwrap();
        let tag = key.seal(&self.request_iv, &data, &mut []).unwrap();
        let mut request = [b"SC\x02\x02".as_slice(), &self.request_iv, &tag].concat();

        let responder = self.server_opens(&mut request).unwrap().responder;
        let mut out = vec![0; self.plaintext.len() + 32];
        let mut rng = ScriptedRng::new([self.iv.as_slice()]);
        responder.seal_into(&mut rng, &self.plaintext, &mut out).unwrap();
        rng.finish();
        out
    }

    /// The server unwraps and opens a type 1 envelope with the key of `bits`.
    pub(crate) fn server_opens_first(&self, bits: usize, body: &mut [u8]) -> Result<Vec<u8>, Refusal> {
        script([]);
        let Received::Setup(setup) = Server::default().receive(&RequestHead::default(), body)? else {
            panic!("not type 1")
        };
        let keys = unwrap_keys(&rsa_key(bits).private, &mut rng(1), setup.wrapped(bits)?);
        let unclaimed = setup.open::<ScriptedAead>(keys, phone(), self.message())?;
        let grant = Grant { id: SessionId::draw(&mut rng(2)), expires_at: NOW };
        let (created, opened) = unclaimed.settle(LedgerVerdict::New, grant)?;

        let record = created.record.encode();
        assert_eq!(record.as_ref()[10..42], self.request_key, "{}", self.name);
        assert_eq!(record.as_ref()[42..74], self.response_key, "{}", self.name);
        assert_eq!(record.as_ref()[74..106], self.context, "{}", self.name);
        assert_eq!(created.first_claim.unwrap().as_bytes()[..12], self.iv, "{}", self.name);
        Ok(opened.plaintext.to_vec())
    }
}
