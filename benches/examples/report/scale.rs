//! The model of a fleet: from a rate of requests and what was measured to cores, servers, Redis and cost.

use crate::assume::Assumptions;
use crate::data::Data;

/// What a session lives at most, and how long it waits for its next request (`sc-std/docs/operating.md`), in seconds.
const TTL: f64 = 86_400.0;
const IDLE: f64 = 1_800.0;
/// Round trips to Redis, from the same page: find and claim; limit, ledger look-up, two entries, session.
const OPS_A_MESSAGE: f64 = 2.0;
const OPS_A_SET_UP: f64 = 6.0;
/// Bytes in Redis, from the same page: a session, its first IV, each further one up to 128 and beyond, a ledger's entry.
const SESSION: f64 = 550.0;
const FIRST_IV: f64 = 200.0;
const NEXT_IV: f64 = 40.0;
const LATE_IV: f64 = 65.0;
const LEDGER_ENTRY: f64 = 95.0;
/// Set-ups that the ledger of one RSA key holds: 2^24 hashes, two for each.
pub(crate) const SET_UPS_OF_A_KEY: f64 = 8_388_608.0;
/// The default rotation of a key, and the shortest that makes sense: clients keep a key for half an hour. Seconds.
const ROTATION: f64 = 86_400.0;
const SHORTEST_ROTATION: f64 = 3_600.0;
/// A key is accepted for so long after the next was published, in seconds.
const ACCEPTED_AFTER: f64 = 3_600.0;
/// A set-up over HTTP beside its headers: two wrapped keys in Base64, and the answer.
const SET_UP_BYTES: f64 = 1_000.0;
/// Header, IV and tag.
const ENVELOPE: f64 = 32.0;
/// Defaults of `--max-sessions` and `--max-claims`; shards of a cluster.
const MAX_SESSIONS: f64 = 1_000_000.0;
const MAX_CLAIMS: f64 = 16_777_216.0;
const SHARDS: f64 = 64.0;
const HOURS_A_MONTH: f64 = 730.0;

/// Seconds of one core, each where it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Costs {
    /// A request of 28 bytes and its answer through the layer, without a socket.
    pub(crate) layer: Option<f64>,
    /// The same with 4 KiB.
    pub(crate) layer_4k: Option<f64>,
    /// The socket and HTTP of a request: plain JSON over loopback, less what it takes through the layer without a socket.
    pub(crate) http: Option<f64>,
    /// The server's side of a set-up, RSA-2048.
    pub(crate) set_up: Option<f64>,
    /// Bytes of a session in the memory store.
    pub(crate) session_bytes: Option<f64>,
}

impl Costs {
    pub(crate) fn of(data: &Data) -> Self {
        let seconds = |ns: f64| ns / 1e9;
        let in_layer = |way: &str, bytes: &str| {
            data.value("layer", data.case("layer", |case| case.starts_with(way))?, bytes)
        };
        let layer = |bytes: &str| in_layer("sealed", bytes);
        let aead = |bytes: &str| {
            let one = |direction| data.value(direction, "scv2 aws-lc-rs", bytes);
            Some(one("seal")? + one("open")?)
        };
        // Where the layer was not measured with 4 KiB: what sealing and opening them takes more.
        let layer_4k = layer("4096").or_else(|| Some(layer("28")? + aead("4096")? - aead("28")?));
        // What the socket and HTTP take: a plain request over loopback without what it takes without a socket.
        let http = (|| {
            let plain = data.case("loopback", |case| case.starts_with("plain"))?;
            Some(1e9 / data.value("loopback", plain, "28")? - in_layer("plain", "28")?)
        })();
        let set_up =
            data.case("set-up, server", |case| case.starts_with("scv2") && case.contains("aws-lc-rs"));
        let largest = crate::goals::sizes_of_sessions(data).filter(|point| point.parameter == "1000000");
        Self {
            layer: layer("28").map(seconds),
            layer_4k: layer_4k.map(seconds),
            http: http.map(seconds),
            set_up: set_up.and_then(|case| data.value("set-up, server", case, "2048")).map(seconds),
            session_bytes: largest.map(|point| point.value).max_by(f64::total_cmp),
        }
    }
}

/// A load: requests a second, requests of one session, bytes of a request and of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) per_session: f64,
    pub(crate) bytes: f64,
}

/// What a load needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) set_ups: f64,
    pub(crate) cores_layer: Option<f64>,
    pub(crate) cores_http: Option<f64>,
    pub(crate) cores_rsa: Option<f64>,
    pub(crate) servers: Option<f64>,
    /// By Little's law.
    pub(crate) sessions: f64,
    pub(crate) redis_gb: f64,
    pub(crate) redis_ops: f64,
    /// Primaries, by operations or by memory.
    pub(crate) primaries: f64,
    pub(crate) gigabits: f64,
    pub(crate) dollars_a_month: Option<f64>,
}

/// Seconds that a session is in the store: its requests, then the wait for one that does not come.
fn residence(per_session: f64, assumed: &Assumptions) -> f64 {
    ((per_session - 1.0) * assumed.of("gap") + IDLE).min(TTL)
}

/// Seconds between two RSA keys, so that no ledger fills.
pub(crate) fn rotation(set_ups: f64) -> f64 {
    (SET_UPS_OF_A_KEY / set_ups).clamp(SHORTEST_ROTATION, ROTATION)
}

fn redis_bytes(load: Load, assumed: &Assumptions) -> f64 {
    let further = (load.per_session - 1.0).min(127.0);
    let ivs = FIRST_IV + further * NEXT_IV + (load.per_session - 128.0).max(0.0) * LATE_IV;
    let set_ups = load.rate / load.per_session;
    let sessions = set_ups * residence(load.per_session, assumed);
    sessions * (SESSION + ivs) + set_ups * 2.0 * LEDGER_ENTRY * (rotation(set_ups) + ACCEPTED_AFTER)
}

/// The rate whose state takes so many bytes of Redis; by halving, as the ledger does not grow evenly.
fn fits_in(bytes: f64, one: Load, assumed: &Assumptions) -> f64 {
    let (mut least, mut most) = (0.0, 1e12);
    for _ in 0..200 {
        let rate = f64::midpoint(least, most);
        if redis_bytes(Load { rate, ..one }, assumed) <= bytes { least = rate } else { most = rate }
    }
    least
}

fn redis_ops(load: Load) -> f64 {
    load.rate * (OPS_A_MESSAGE + OPS_A_SET_UP / load.per_session)
}

pub(crate) fn need(load: Load, costs: &Costs, assumed: &Assumptions) -> Need {
    let set_ups = load.rate / load.per_session;
    let layer = if load.bytes >= 4_096.0 { costs.layer_4k } else { costs.layer };
    let cores_layer = layer.map(|seconds| load.rate * seconds);
    let cores_http = costs.http.map(|seconds| load.rate * seconds);
    let cores_rsa = costs.set_up.map(|seconds| set_ups * seconds);
    let servers = (|| {
        let cores = cores_layer? + cores_http? + cores_rsa?;
        Some((cores / (assumed.of("server-cores") * assumed.of("load"))).ceil())
    })();
    let redis_gb = redis_bytes(load, assumed) / 1e9;
    let redis_ops = redis_ops(load);
    let primaries = (redis_ops / assumed.of("redis-ops")).max(redis_gb / assumed.of("redis-gb")).ceil();
    let copies = 1.0 + assumed.of("replicas");
    let dollars_a_month = servers.map(|servers| {
        let cores = servers * assumed.of("server-cores") + primaries * copies * assumed.of("redis-cores");
        (cores * assumed.of("core-hour") + redis_gb * copies * assumed.of("gb-hour")) * HOURS_A_MONTH
    });
    let a_request = 2.0 * (load.bytes + ENVELOPE) + assumed.of("headers");
    let bytes = load.rate * a_request + set_ups * (SET_UP_BYTES + assumed.of("headers"));
    Need {
        set_ups,
        cores_layer,
        cores_http,
        cores_rsa,
        servers,
        sessions: set_ups * residence(load.per_session, assumed),
        redis_gb,
        redis_ops,
        primaries,
        gigabits: bytes * 8.0 / 1e9,
        dollars_a_month,
    }
}

/// Something that holds up to a rate.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) remedy: &'static str,
    /// Requests a second that it bears; nothing where it depends on what was not measured.
    pub(crate) bears: Option<f64>,
}

/// All limits for so many requests in a session, with bodies of 28 bytes.
pub(crate) fn limits(per_session: f64, costs: &Costs, assumed: &Assumptions) -> Vec<Limit> {
    let one = Load { rate: 1.0, per_session, bytes: 28.0 };
    let residence = residence(per_session, assumed);
    let of_memory = |primaries: f64| fits_in(primaries * assumed.of("redis-gb") * 1e9, one, assumed);
    let of_operations = assumed.of("redis-ops") / redis_ops(one);
    let cores = costs.layer.zip(costs.http).zip(costs.set_up);
    let a_request = cores.map(|((layer, http), set_up)| layer + http + set_up / per_session);
    let limit = |name, bears, remedy| Limit { name, remedy, bears: Some(bears) };
    vec![
        Limit {
            name: "one server",
            remedy: "more servers over one Redis",
            bears: a_request.map(|seconds| assumed.of("server-cores") * assumed.of("load") / seconds),
        },
        limit("ledger, a key a day", SET_UPS_OF_A_KEY / ROTATION * per_session, "a shorter `--key-rotation`"),
        limit("ledger, a key an hour", SET_UPS_OF_A_KEY / SHORTEST_ROTATION * per_session, "cells"),
        limit("`--max-sessions`", MAX_SESSIONS / residence * per_session, "raise it, with Redis's memory"),
        limit("`--max-claims`", MAX_CLAIMS / residence, "raise it, with Redis's memory"),
        limit("operations of one Redis", of_operations, "a cluster"),
        limit("memory of one Redis", of_memory(1.0), "a cluster"),
        limit("64 primaries of a cluster", (SHARDS * of_operations).min(of_memory(SHARDS)), "cells"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::points;

    fn costs() -> Costs {
        Costs {
            layer: Some(5e-6),
            layer_4k: Some(8e-6),
            http: Some(15e-6),
            set_up: Some(1e-3),
            session_bytes: Some(240.0),
        }
    }

    #[test]
    fn a_load_needs_what_the_formulas_say() {
        let load = Load { rate: 100_000.0, per_session: 5.0, bytes: 28.0 };
        let need = need(load, &costs(), &Assumptions::default());
        // 20,000 set-ups a second: 0.5 + 1.5 + 20 cores, of 9.6 usable a server; 2,040 s in the store each.
        assert_eq!([need.set_ups, need.sessions], [20_000.0, 40_800_000.0]);
        assert_eq!([need.cores_layer, need.cores_http, need.cores_rsa], [Some(0.5), Some(1.5), Some(20.0)]);
        assert_eq!(need.servers, Some(3.0));
        assert_eq!(need.redis_ops, 320_000.0);
        // 910 bytes a session, and 190 of the ledger for two hours of set-ups.
        assert!(
            (need.redis_gb - (40.8e6 * 910.0 + 20_000.0 * 190.0 * 7_200.0) / 1e9).abs() < 1e-6,
            "{}",
            need.redis_gb
        );
        assert_eq!(need.primaries, 6.0);
        let dollars = (3.0 * 16.0 + 6.0 * 2.0 * 2.0) * 0.04 * 730.0 + need.redis_gb * 2.0 * 0.005 * 730.0;
        assert!((need.dollars_a_month.unwrap() - dollars).abs() < 1e-6);
        assert!((need.gigabits - (100_000.0 * 1_020.0 + 20_000.0 * 1_900.0) * 8.0 / 1e9).abs() < 1e-9);
    }

    #[test]
    fn without_a_measurement_there_is_no_server_and_no_cost() {
        let load = Load { rate: 1_000.0, per_session: 1.0, bytes: 4_096.0 };
        for missing in [
            Costs { layer_4k: None, ..costs() },
            Costs { http: None, ..costs() },
            Costs { set_up: None, ..costs() },
        ] {
            let need = need(load, &missing, &Assumptions::default());
            assert_eq!((need.servers, need.dollars_a_month), (None, None));
        }
    }

    #[test]
    fn a_key_is_replaced_before_its_ledger_is_full_but_not_more_than_once_an_hour() {
        assert_eq!([rotation(1.0), rotation(1_000.0), rotation(1e6)], [86_400.0, 8_388.608, 3_600.0]);
    }

    #[test]
    fn a_load_at_a_limit_needs_just_what_it_bears() {
        let assumed = Assumptions::default();
        for per_session in [1.0, 5.0, 50.0] {
            for limit in limits(per_session, &costs(), &assumed) {
                let need =
                    need(Load { rate: limit.bears.unwrap(), per_session, bytes: 28.0 }, &costs(), &assumed);
                let share = match limit.name {
                    "one server" => need.servers.unwrap(),
                    "ledger, a key a day" => need.set_ups * 86_400.0 / SET_UPS_OF_A_KEY,
                    "ledger, a key an hour" => need.set_ups * 3_600.0 / SET_UPS_OF_A_KEY,
                    "`--max-sessions`" => need.sessions / 1e6,
                    "`--max-claims`" => need.sessions * per_session / 16_777_216.0,
                    "operations of one Redis" => need.redis_ops / assumed.of("redis-ops"),
                    "memory of one Redis" => need.redis_gb / assumed.of("redis-gb"),
                    "64 primaries of a cluster" => need.primaries / 64.0,
                    other => panic!("no check for {other}"),
                };
                assert!(
                    (share - 1.0).abs() < 1e-9 || limit.name == "one server" && share <= 2.0,
                    "{}: {share}",
                    limit.name
                );
            }
        }
    }

    #[test]
    fn costs_are_taken_from_their_groups() {
        let mut all =
            points("layer", "ns", &[("plain JSON", "28", 1_000.0), ("sealed, bound", "28", 5_000.0)]);
        all.extend(points(
            "seal",
            "ns",
            &[("scv2 aws-lc-rs", "28", 100.0), ("scv2 aws-lc-rs", "4096", 600.0)],
        ));
        all.extend(points(
            "open",
            "ns",
            &[("scv2 aws-lc-rs", "28", 100.0), ("scv2 aws-lc-rs", "4096", 700.0)],
        ));
        all.extend(points("set-up, server", "ns", &[("scv2 aws-lc-rs", "2048", 1e6)]));
        all.extend(points("million", "bytes", &[("session", "1000000", 240.0)]));
        assert_eq!(Costs::of(&Data::new(all.clone())).http, None);
        all.extend(points("loopback", "requests/s", &[("plain JSON", "28", 50_000.0)]));
        let costs = Costs::of(&Data::new(all));
        assert_eq!((costs.layer, costs.layer_4k), (Some(5e-6), Some(6.1e-6)));
        assert!((costs.http.unwrap() - 19e-6).abs() < 1e-12);
        assert_eq!((costs.set_up, costs.session_bytes), (Some(1e-3), Some(240.0)));
    }
}
