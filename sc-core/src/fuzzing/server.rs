//! The server machine under any sequence of operations, held against a model of sessions, IVs and wrapped keys.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::{Clear, Count, Input, Lax, client_with, device, is_wiped, key_id, mutate, name, profile};
use crate::document::SessionRequest;
use crate::exchange::{WrappedKeyHash, unwrap_keys};
use crate::id::{ClientHash, SessionId, Ticks, UnixMillis};
use crate::limits::HEADER_LEN;
use crate::provider::Aead;
use crate::replay::{ClaimVerdict, IvSet, IvSlot, Ledger, LedgerSlot, LedgerVerdict};
use crate::rustcrypto::Aes256GcmKey;
use crate::server::{
    Grant, NewSession, Opened, Received, Refusal, RequestHead, Server, SessionRecord, SetupWay,
};
use crate::session::{Lifetime, Phase, Session};

/// Operations, and what fits into the small tables, so that each end is reached.
const OPERATIONS: usize = 96;
const MESSAGES: usize = 8;
const WRAPPED_KEYS: usize = 24;
const TTL_MS: u64 = 10 * 60 * 1000;

/// A session at the server and at its client, and what the model knows of it.
struct Kept {
    session: Option<Rc<Session<Clear>>>,
    id: SessionId,
    client: ClientHash,
    record: Option<SessionRecord>,
    ivs: IvSet<Vec<IvSlot>>,
    seen: BTreeMap<Vec<u8>, Vec<u8>>,
    ends: UnixMillis,
}

struct World {
    rng: Count,
    server: Server,
    now: UnixMillis,
    ledger: Ledger<Vec<LedgerSlot>>,
    wrapped: BTreeSet<[u8; 32]>,
    sessions: Vec<Kept>,
    /// What an attacker has recorded: set-ups, first requests, and requests with their sessions.
    set_ups: Vec<[Vec<u8>; 2]>,
    firsts: Vec<Vec<u8>>,
    requests: Vec<(usize, Vec<u8>)>,
}

/// One run of the server machine.
///
/// # Panics
/// If the machine and the model disagree.
pub fn server(data: &[u8]) {
    let (mut input, mut rng) = (Input(data), Count::of(data));
    let ledger = Ledger::new(vec![LedgerSlot::EMPTY; WRAPPED_KEYS], &mut rng);
    let mut world = World {
        rng,
        server: Server::default(),
        now: UnixMillis(1_000_000),
        ledger,
        wrapped: BTreeSet::new(),
        sessions: Vec::new(),
        set_ups: Vec::new(),
        firsts: Vec::new(),
        requests: Vec::new(),
    };
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        assert_eq!(world.ledger.len(), world.wrapped.len());
        for kept in &world.sessions {
            assert_eq!(usize::try_from(kept.ivs.len()), Ok(kept.seen.len()));
        }
    }
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let at = input.below(self.sessions.len());
        match input.byte() % 12 {
            0 => self.set_up(input.flag(), device(input.byte())),
            1 => self.first(input.flag(), input),
            2 => self.repeat_set_up(input),
            3 => self.changed_set_up(input),
            4 => self.repeat_first(input),
            5 | 6 => self.talk(at, input),
            7 => self.repeat_request(at, input),
            8 => self.any_tag(at, input),
            9 => self.any_body(at, input),
            10 => self.now = self.now.plus(u64::try_from(input.short()).unwrap_or_default() * 10),
            _ => {
                if let Some(kept) = self.sessions.get_mut(at) {
                    kept.record = None;
                }
            }
        }
    }

    /// The ledger's verdict, which must be the model's.
    fn claim(&mut self, hashes: &[WrappedKeyHash; 2]) -> LedgerVerdict {
        let [request, response] = hashes.map(|hash| *hash.as_bytes());
        let known = self.wrapped.contains(&request) || self.wrapped.contains(&response);
        assert_eq!(self.ledger.contains_any(hashes), known);
        let expected = if self.wrapped.contains(&request) {
            LedgerVerdict::Repeated
        } else if WRAPPED_KEYS - self.wrapped.len() < 2 {
            LedgerVerdict::Full
        } else {
            self.wrapped.insert(request);
            if self.wrapped.insert(response) { LedgerVerdict::New } else { LedgerVerdict::Repeated }
        };
        let verdict = self.ledger.claim(hashes);
        assert_eq!(verdict, expected);
        verdict
    }

    fn grant(&mut self) -> Grant {
        Grant { id: SessionId::draw(&mut self.rng), expires_at: self.now.plus(TTL_MS) }
    }

    fn keep(&mut self, created: NewSession, client: ClientHash, session: Option<Session<Clear>>) {
        let mut ivs = IvSet::new(vec![IvSlot::EMPTY; MESSAGES], &mut self.rng);
        let mut seen = BTreeMap::new();
        if let Some(claim) = created.first_claim {
            assert_eq!(ivs.claim(&claim), ClaimVerdict::New);
            let (iv, tag) = claim.as_bytes().split_at(12);
            seen.insert(iv.to_vec(), tag.to_vec());
        }
        assert!(self.sessions.iter().all(|kept| kept.id != created.id));
        let (ends, id) = (created.record.expires_at(), created.id);
        let session = session.map(Rc::new);
        self.sessions.push(Kept { session, id, client, record: Some(created.record), ivs, seen, ends });
    }

    /// The session endpoint.
    fn serve_set_up(&mut self, request: &SessionRequest, client: ClientHash) -> Result<NewSession, Refusal> {
        let server = self.server;
        let setup = server.set_up(request)?;
        let wrapped = setup.wrapped(2048)?;
        let keys = unwrap_keys(&Clear, &mut self.rng, wrapped);
        let unclaimed = setup.accept(wrapped, keys, client)?;
        let verdict = self.claim(unclaimed.hashes());
        let grant = self.grant();
        let settled = unclaimed.settle(verdict, grant);
        match verdict {
            LedgerVerdict::New => assert!(settled.is_ok()),
            LedgerVerdict::Repeated => {
                assert_eq!(settled.as_ref().err(), Some(&Refusal::ExchangeRepeated(SetupWay::Endpoint)));
            }
            LedgerVerdict::Full => assert_eq!(settled.as_ref().err(), Some(&Refusal::LedgerFull)),
        }
        settled
    }

    fn set_up(&mut self, bound: bool, client: ClientHash) {
        let (request, awaiting) = client_with(profile(bound)).begin(&mut self.rng).expect("has a key");
        let wrapped = [&request.enc_req_key, &request.enc_resp_key].map(|key| key.as_slice().to_vec());
        self.set_ups.push(wrapped);
        match self.serve_set_up(&request, client) {
            Ok(created) => {
                let answer = created.answer(None);
                let session = awaiting.accept(&answer, self.now, Ticks(self.now.0)).expect("same profile");
                self.keep(created, client, Some(session));
            }
            Err(refusal) => assert_eq!(refusal, Refusal::LedgerFull, "a new set-up"),
        }
    }

    /// A set-up out of recorded wrapped keys, in any roles; both the same are refused before the ledger.
    fn repeat_set_up(&mut self, input: &mut Input<'_>) {
        let pick = [input.below(self.set_ups.len()), input.below(self.set_ups.len())];
        let roles = [input.flag(), input.flag()];
        let (Some(one), Some(two)) = (self.set_ups.get(pick[0]), self.set_ups.get(pick[1])) else { return };
        let [one, two] =
            [(one, roles[0]), (two, roles[1])].map(|(pair, role)| pair[usize::from(role)].clone());
        let profile = if input.flag() { crate::envelope::Profile::Bound } else { Default::default() };
        let request = SessionRequest::new(key_id(), &one, &two, profile);
        match self.serve_set_up(&request, device(0)) {
            // Two keys of set-ups that a full ledger refused are still new.
            Ok(created) => self.keep(created, device(0), None),
            Err(Refusal::Exchange(SetupWay::Endpoint)) => assert_eq!(one, two),
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::ExchangeRepeated(_) | Refusal::LedgerFull));
            }
        }
    }

    /// A wrapped key in which a bit was flipped does not unwrap, and the ledger stays as it is.
    fn changed_set_up(&mut self, input: &mut Input<'_>) {
        let (mut request, _) = client_with(profile(input.flag())).begin(&mut self.rng).expect("has a key");
        let (at, bit) = (input.below(256), input.byte() % 8);
        let mut key = request.enc_resp_key.as_slice().to_vec();
        key[at] ^= 1 << bit;
        let own = request.enc_req_key.as_slice().to_vec();
        request = SessionRequest::new(key_id(), &own, &key, Default::default());
        let refused = self.serve_set_up(&request, device(0)).err();
        assert_eq!(refused, Some(Refusal::Exchange(SetupWay::Endpoint)));
    }

    /// A type 1 envelope. Gives the created session and the sealed answer.
    fn serve_first(&mut self, body: &mut [u8], client: ClientHash) -> Result<(NewSession, Vec<u8>), Refusal> {
        let server = self.server;
        let Received::Setup(setup) = server.receive(&RequestHead::default(), body)? else {
            unreachable!("type 2 without a session header is refused")
        };
        if setup.key_id() != key_id().as_str() {
            return Err(Refusal::KeyUnknown);
        }
        let keys = unwrap_keys(&Clear, &mut self.rng, setup.wrapped(2048)?);
        let unclaimed = setup.open::<Aes256GcmKey>(keys, client, name())?;
        let verdict = self.claim(unclaimed.hashes());
        let grant = self.grant();
        let (created, Opened { plaintext, responder }) = unclaimed.settle(verdict, grant)?;
        assert_eq!(verdict, LedgerVerdict::New);
        let mut answer = vec![0; plaintext.len() + 32];
        responder.seal_into(&mut self.rng, plaintext, &mut answer).expect("fits");
        Ok((created, answer))
    }

    fn first(&mut self, bound: bool, input: &mut Input<'_>) {
        let (client, owner, text) = (client_with(profile(bound)), device(input.byte()), input.take(8));
        let mut body = vec![0; client.first_sealed_len(text.len()).expect("has a key")];
        let awaiting = client.begin_inline(&mut self.rng, name(), text, &mut body).expect("fits");
        self.firsts.push(body.clone());
        match self.serve_first(&mut body, owner) {
            Ok((created, mut answer)) => {
                let lifetime = Lifetime::new(created.record.expires_at(), self.now, None);
                let opened = awaiting.open(created.id, lifetime, Ticks(self.now.0), &mut answer);
                let (session, plaintext) = opened.expect("its own answer");
                assert_eq!(plaintext, text);
                self.keep(created, owner, Some(session));
            }
            Err(refusal) => assert_eq!(refusal, Refusal::LedgerFull, "a new first request"),
        }
    }

    /// A recorded first request, as it was or changed.
    fn repeat_first(&mut self, input: &mut Input<'_>) {
        let Some(original) = self.firsts.get(input.below(self.firsts.len())).cloned() else { return };
        let mut body = original.clone();
        mutate(&mut body, input);
        let (before, recorded) = (body.clone(), self.wrapped.len());
        match self.serve_first(&mut body, device(0)) {
            // A full ledger refused it when it was new.
            Ok((created, _)) => {
                assert!(before == original);
                self.keep(created, device(0), None);
            }
            Err(Refusal::ExchangeRepeated(SetupWay::Inline) | Refusal::LedgerFull) => {
                assert!(before == original, "a changed one opened");
                let at = body.len() - 16;
                assert!(is_wiped(&body[..at], 4 + 1 + 3 + 2 * 258 + 12), "the plaintext is wiped");
            }
            Err(_) => assert!(before != original && self.wrapped.len() == recorded),
        }
    }

    /// Delivers a type 2 envelope and holds every step against the model. `opens`: its tag is right for this session.
    fn deliver<A: Aead>(
        &mut self,
        at: usize,
        client: ClientHash,
        body: &mut [u8],
        opens: bool,
    ) -> Result<Vec<u8>, Refusal> {
        let (before, server) = (body.to_vec(), self.server);
        let kept = &mut self.sessions[at];
        let id = kept.id;
        let head = RequestHead { session_id: Some(id.as_str()), version: Some("2") };
        let message = match server.receive(&head, body) {
            Ok(Received::Message(message)) => message,
            Ok(Received::Setup(_)) => unreachable!("refused with a session header"),
            Err(refusal) => {
                assert!(!opens && before == body);
                return Err(refusal);
            }
        };
        let expected = if kept.record.is_none() {
            Some(Refusal::SessionUnknown)
        } else if kept.ends <= self.now {
            Some(Refusal::SessionExpired)
        } else if kept.client != client {
            Some(Refusal::OtherClient)
        } else {
            (!opens).then_some(Refusal::NotOpened)
        };
        let unclaimed = message.open::<A>(kept.record.as_ref(), &client, self.now, name());
        if let Some(refusal) = unclaimed.as_ref().err().copied() {
            drop(unclaimed);
            assert_eq!(Some(refusal), expected);
            let touched = refusal == Refusal::NotOpened;
            assert!(if touched { is_wiped(body, HEADER_LEN) } else { before == body });
            return Err(refusal);
        }
        let unclaimed = unclaimed.expect("no refusal");
        assert_eq!(expected, None);
        let claim = *unclaimed.claim();
        let (iv, tag) = claim.as_bytes().split_at(12);
        let expected = match kept.seen.get(iv) {
            Some(earlier) if earlier == tag => ClaimVerdict::Replayed,
            Some(_) => ClaimVerdict::IvReused,
            None if kept.seen.len() < MESSAGES => ClaimVerdict::New,
            None => ClaimVerdict::Exhausted,
        };
        assert_eq!((kept.ivs.look(&claim), kept.ivs.claim(&claim)), (expected, expected));
        if expected == ClaimVerdict::New {
            kept.seen.insert(iv.to_vec(), tag.to_vec());
        }
        match unclaimed.settle(expected) {
            Ok(Opened { plaintext, responder }) => {
                assert_eq!(expected, ClaimVerdict::New);
                let mut answer = vec![0; plaintext.len() + 32];
                responder.seal_into(&mut self.rng, plaintext, &mut answer).expect("fits");
                Ok(answer)
            }
            Err(refusal) => {
                let sealed = 16..before.len() - 16;
                assert!(body[sealed].iter().all(|byte| *byte == 0), "the plaintext is wiped");
                assert_eq!(refusal.ends_session(), refusal != Refusal::Replayed);
                if refusal.ends_session() {
                    kept.record = None;
                }
                Err(refusal)
            }
        }
    }

    /// A request and its answer, by the client that holds the session.
    fn talk(&mut self, at: usize, input: &mut Input<'_>) {
        let Some(kept) = self.sessions.get(at) else { return };
        let (Some(session), client) = (kept.session.clone(), kept.client) else { return };
        let (now, text) = (Ticks(self.now.0), input.take(8));
        let mut body = vec![0; text.len() + 32];
        let phase = session.phase(now);
        let sealed = session.seal_into(&mut self.rng, now, name(), text, &mut body);
        assert_eq!(sealed.is_ok(), matches!(phase, Phase::Ready | Phase::AboutToExpire));
        let Ok(pending) = sealed else { return };
        self.requests.push((at, body.clone()));
        if let Ok(mut answer) = self.deliver::<Aes256GcmKey>(at, client, &mut body, true) {
            if input.flag() {
                let bit = input.below(8 * answer.len());
                answer[bit / 8] ^= 1 << (bit % 8);
                assert!(pending.open(&mut answer).is_err());
            } else {
                assert_eq!(pending.open(&mut answer).expect("its own answer"), text);
            }
        }
    }

    /// A recorded request, in its own session or another, as it was or changed, by its client or another.
    fn repeat_request(&mut self, at: usize, input: &mut Input<'_>) {
        let Some((own, original)) = self.requests.get(input.below(self.requests.len())).cloned() else {
            return;
        };
        let at = if input.flag() { own } else { at };
        let client = device(input.byte());
        let mut body = original.clone();
        mutate(&mut body, input);
        let opens = at == own && body == original;
        let _ = self.deliver::<Aes256GcmKey>(at, client, &mut body, opens);
    }

    /// A body whose tag counts as right, with one of a few IVs and tags: repeated, reused, too many.
    fn any_tag(&mut self, at: usize, input: &mut Input<'_>) {
        let Some(client) = self.sessions.get(at).map(|kept| kept.client) else { return };
        let (iv, tag) = (input.byte() % 16, input.byte() % 2);
        let mut body = [b"SC\x02\x02".as_slice(), &[iv; 12], input.take(4), &[tag; 16]].concat();
        let _ = self.deliver::<Lax>(at, client, &mut body, true);
    }

    /// Bytes of the input itself.
    fn any_body(&mut self, at: usize, input: &mut Input<'_>) {
        let len = input.below(700);
        let mut body = input.take(len).to_vec();
        let before = body.clone();
        if at < self.sessions.len() && input.flag() {
            let opened = self.deliver::<Aes256GcmKey>(at, device(0), &mut body, false);
            assert!(opened.is_err());
        } else {
            let refused = self.server.receive(&RequestHead::default(), &mut body).map(drop);
            if let Err(refusal) = refused {
                assert!(!refusal.code().as_str().is_empty() && body == before);
            }
        }
    }
}
