//! The example of a fleet does what it says.

use std::process::Command;

use crate::example_support::{example, run};
use crate::redis::Redis;

#[test]
fn two_servers_are_one_and_a_replay_is_refused_at_the_other() {
    let redis = Redis::start(&[]);
    let program = example("redis_fleet", &["--package", "sc-std"]);
    let said = run(Command::new(&program).arg(redis.url()));
    let served: Vec<_> =
        said.lines().filter(|line| line.contains("/echo: 200")).map(|line| line.split('/').nth(2)).collect();
    // In turns before the first one is gone, then the second alone.
    let [one, other, alone] = served[..] else { panic!("{said}") };
    assert!(one.is_some() && one != other && (alone == one || alone == other), "{said}");
    assert_eq!(said.matches("/session: 200").count(), 1, "one session for both: {said}");
    assert!(said.contains("/echo: 409") && said.contains("SECURE_CHANNEL.REPLAYED"), "{said}");
    assert!(said.trim_end().contains(r#"{"text":"the session is not"}"#), "{said}");

    let without = Command::new(&program).output().unwrap();
    assert!(!without.status.success(), "{without:?}");
    assert!(String::from_utf8_lossy(&without.stderr).contains("say where Redis is"), "{without:?}");
}
