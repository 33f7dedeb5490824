//! The pairs of classes.

use std::rc::Rc;

use rand_core::Rng;
use sc_core::channel::{IvMode, Opener, Sealer};
use sc_core::exchange::{WrappedKeys, unwrap_keys};
use sc_core::limits::{OVERHEAD, TAG_LEN};
use sc_core::oaep::decode_key;
use sc_core::provider::{Aead, KeyUnwrap};
use sc_core::rustcrypto::{Aes256GcmKey, RsaPrivateKey};
use sc_core::secret::{CandidateKeys, RequestKey, ResponseKey, SessionKeys, UnwrappedKey};
use sc_std::provider::{AwsLcAead, AwsLcPrivateKey};
use sc_std::rng::SystemSeeded;

use crate::forge::{Flaw, Forge};
use crate::welch::{Class, Outcome, measure};

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The product must not differ.
    Product,
    /// A control: must not differ.
    Same,
    /// A control: must differ.
    Planted,
}

/// One comparison.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// By how much fewer samples than the quick cases.
    pub(crate) divisor: usize,
    pub(crate) run: Box<dyn FnOnce(usize) -> Outcome>,
}

/// Bits of the RSA key, and bytes of what it wraps.
const BITS: usize = 2048;
const BLOCK: usize = BITS / 8;
/// Plaintext of the messages, in bytes.
const TEXT: usize = 64;
/// Inputs of each class: enough that none of them is one of a kind.
const POOL: usize = 64;
/// Where OAEP fails.
const FLAWS: [(&str, Flaw); 7] = [
    ("first byte", Flaw::FirstByte),
    ("label hash, first byte", Flaw::LabelStart),
    ("label hash, last byte", Flaw::LabelEnd),
    ("no separator", Flaw::NoSeparator),
    ("another separator", Flaw::OtherSeparator),
    ("key of 31 bytes", Flaw::ShortKey),
    ("key of 33 bytes", Flaw::LongKey),
];

pub(crate) fn all() -> Vec<Case> {
    let mut all = vec![
        compared(
            "control: bytes compared up to the first difference",
            Kind::Planted,
            until_they_differ,
            [0, 31],
        ),
        compared("control: the same, of one class twice", Kind::Same, until_they_differ, [31, 31]),
        session_keys(),
    ];
    let aws = AwsLcPrivateKey::generate(BITS).expect("AWS-LC makes keys of 2048 bits");
    let forge = Rc::new(Forge::of_spki(aws.spki_der()).expect("its own key is one"));
    let rustcrypto =
        Rc::new(RsaPrivateKey::from_pkcs8(&aws.to_pkcs8().unwrap()).expect("both read the same keys"));
    let aws = Rc::new(aws);
    all.push(Case { kind: Kind::Same, ..combine(&forge, "right again", Flaw::None) });
    for (name, flaw) in FLAWS {
        all.push(decode(&forge, name, flaw));
        all.push(combine(&forge, name, flaw));
    }
    tags::<AwsLcAead>("AWS-LC", &mut all);
    tags::<Aes256GcmKey>("RustCrypto", &mut all);
    for (name, flaw) in FLAWS {
        all.push(unwrap("AWS-LC", 20, &aws, &forge, name, flaw));
    }
    for (name, flaw) in FLAWS {
        all.push(unwrap("RustCrypto", 200, &rustcrypto, &forge, name, flaw));
    }
    all
}

/// `unwrap_keys`: both right, or the request key wrong.
fn unwrap<U: KeyUnwrap + 'static>(
    provider: &str,
    divisor: usize,
    key: &Rc<U>,
    forge: &Rc<Forge>,
    name: &str,
    flaw: Flaw,
) -> Case {
    let (key, forge) = (Rc::clone(key), Rc::clone(forge));
    let name = format!("unwrap_keys, {provider}: right / {name}");
    let run = Box::new(move |samples| {
        let pools = pools::<BLOCK>(|class| forge.wrap(&drawn(), flaw_of(class, flaw)));
        let response = array::<BLOCK>(&forge.wrap(&drawn(), Flaw::None));
        measure(
            samples,
            |class| (pick(&pools, class), response),
            |(request, response)| {
                unwrap_keys(&*key, &mut SystemSeeded, WrappedKeys::new(request, response).unwrap())
            },
        )
    });
    Case { name, kind: Kind::Product, divisor, run }
}

/// `oaep::decode_key`: what is ours of RustCrypto's unwrapping.
fn decode(forge: &Rc<Forge>, name: &str, flaw: Flaw) -> Case {
    let forge = Rc::clone(forge);
    let run = Box::new(move |samples| {
        let pools = pools::<BLOCK>(|class| forge.block(&drawn(), flaw_of(class, flaw)));
        measure(samples, |class| pick(&pools, class), |block| decode_key(block))
    });
    Case { name: format!("oaep::decode_key: right / {name}"), kind: Kind::Product, divisor: 4, run }
}

/// `CandidateKeys::combine`: the verdict over both keys.
fn combine(forge: &Rc<Forge>, name: &str, flaw: Flaw) -> Case {
    let forge = Rc::clone(forge);
    let run = Box::new(move |samples| {
        let pools = pools::<BLOCK>(|class| forge.block(&drawn(), flaw_of(class, flaw)));
        let other = array::<BLOCK>(&forge.block(&drawn(), Flaw::None));
        let decoded = |class| -> Option<[UnwrappedKey; 2]> {
            Some([decode_key(&mut pick(&pools, class)), decode_key(&mut other.clone())])
        };
        measure(samples, decoded, |keys| {
            let [request, response] = keys.take().unwrap();
            CandidateKeys::combine(&mut SystemSeeded, request, response)
        })
    });
    Case { name: format!("CandidateKeys::combine: right / {name}"), kind: Kind::Product, divisor: 4, run }
}

/// `Opener::open`: all of these fail, so all wipe the same bytes.
fn tags<A: Aead + 'static>(provider: &str, all: &mut Vec<Case>) {
    let end = TEXT + OVERHEAD;
    for (name, places) in [
        ("tag wrong in its first / last byte", [end - TAG_LEN, end - 1]),
        ("tag / first byte of the ciphertext wrong", [end - 1, end - TAG_LEN - TEXT]),
        (
            "first byte of the IV / last of the ciphertext wrong",
            [end - TAG_LEN - TEXT - 12, end - TAG_LEN - 1],
        ),
    ] {
        let run = Box::new(move |samples| {
            let key = RequestKey::from_bytes(drawn());
            let sealer = Sealer::<A>::for_requests(&key, IvMode::Random, &mut SystemSeeded).unwrap();
            let opener = Opener::<A>::for_requests(&key).unwrap();
            let pools = pools::<{ TEXT + OVERHEAD }>(|class| {
                let mut body = vec![0; end];
                sealer.seal_into(&mut SystemSeeded, &[7; TEXT], &mut body).unwrap();
                let place = if class == Class::Left { places[0] } else { places[1] };
                *body.get_mut(place).unwrap() ^= 1;
                body
            });
            measure(samples, |class| pick(&pools, class), |body| assert!(opener.open(body).is_err()))
        });
        all.push(Case {
            name: format!("Opener::open, {provider}: {name}"),
            kind: Kind::Product,
            divisor: 1,
            run,
        });
    }
}

/// `SessionKeys::new`: two keys that differ, early or late.
fn session_keys() -> Case {
    let run = Box::new(|samples| {
        let pair = |class| {
            let (one, other) = differing(class, [0, 31]);
            Some((RequestKey::from_bytes(one), ResponseKey::from_bytes(other)))
        };
        measure(samples, pair, |keys| {
            let (request, response) = keys.take().unwrap();
            SessionKeys::new(request, response)
        })
    });
    let name = "SessionKeys::new: keys that differ in their first / last byte".to_owned();
    Case { name, kind: Kind::Product, divisor: 1, run }
}

/// A comparison of two arrays that differ in one place, by class.
fn compared(name: &str, kind: Kind, equal: fn(&[u8; 32], &[u8; 32]) -> bool, places: [usize; 2]) -> Case {
    let run = Box::new(move |samples| {
        measure(samples, |class| differing(class, places), |(one, other)| equal(one, other))
    });
    Case { name: name.to_owned(), kind, divisor: 1, run }
}

/// Two arrays of 32 bytes that differ in one place, by class.
fn differing(class: Class, [left, right]: [usize; 2]) -> ([u8; 32], [u8; 32]) {
    let one = drawn();
    let mut other = one;
    *other.get_mut(if class == Class::Left { left } else { right }).unwrap() ^= 1;
    (one, other)
}

/// The classic fault.
#[inline(never)]
fn until_they_differ(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).all(|(one, other)| std::hint::black_box(*one) == *other)
}

fn flaw_of(class: Class, flaw: Flaw) -> Flaw {
    if class == Class::Left { Flaw::None } else { flaw }
}

/// Inputs of both classes, made before anything is measured.
fn pools<const N: usize>(make: impl Fn(Class) -> Vec<u8>) -> [Vec<[u8; N]>; 2] {
    [Class::Left, Class::Right].map(|class| (0..POOL).map(|_| array(&make(class))).collect())
}

/// One input of a class, by chance.
fn pick<const N: usize>(pools: &[Vec<[u8; N]>; 2], class: Class) -> [u8; N] {
    let at = usize::try_from(SystemSeeded.next_u32()).unwrap() % POOL;
    let [left, right] = pools;
    *if class == Class::Left { left } else { right }.get(at).unwrap()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

fn drawn() -> [u8; 32] {
    let mut bytes = [0; 32];
    SystemSeeded.fill_bytes(&mut bytes);
    bytes
}
