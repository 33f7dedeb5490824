//! The examples do what they say. Those that need Redis are in `live`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;
mod example_support;

use std::process::Command;

use cli_support::{Serving, scv2};
use example_support::run;

fn example(name: &str) -> Command {
    Command::new(example_support::example(name, &["--workspace"]))
}

#[test]
fn the_store_of_ones_own_keeps_every_rule_and_serves() {
    let said = run(&mut example("custom_store"));
    for part in [
        "the store keeps every rule of the suite",
        r#"over it: {"text":"hello"}"#,
        "in the tables: 1 session, 1 claim, 2 hashes in the ledger",
        "after the close: 0 session, 0 claim, 2 hashes in the ledger",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_message_of_ones_own_is_answered_and_refused_by_the_name_of_its_property() {
    let said = run(&mut example("change_password"));
    assert!(said.contains("client: Changed { success: true }"), "{said}");
    assert!(said.contains("client: refused: ") && said.contains("newPassword"), "{said}");
    assert!(said.contains("client: not allowed: ACCESS.PERMISSION_DENIED"), "{said}");
}

#[test]
fn a_forgotten_password_is_reset_once_by_the_link_of_a_mail_that_only_the_account_gets() {
    let said = run(&mut example("forgot_password"));
    let (known, unknown) = ("client: ada@example.com: ", "client: nobody@example.com: ");
    let answer = |of| said.lines().find_map(|line| line.strip_prefix(of)).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(answer(known), answer(unknown));
    for part in [
        "mailbox: one mail",
        "client: refused: newPassword\n",
        "client: reset: true\n",
        "client: refused: token\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("server: a new password for").count(), 1, "{said}");
}

#[test]
fn a_key_in_a_device_serves_until_the_device_is_gone_and_its_sessions_go_on() {
    let said = run(&mut example("kms"));
    assert!(said.contains(r#"first client: {"#) && said.contains("hello"), "{said}");
    assert!(said.contains("first client, in its session: ") && said.contains("still here"), "{said}");
    assert!(said.contains("second client, which needs the device: "), "{said}");
}

#[test]
fn both_clients_ask_for_a_reset_link() {
    let serving = Serving::new(&[]);
    let url = format!("http://{}", serving.address);
    for name in ["client", "blocking_client"] {
        let said = run(example(name).arg(&url));
        assert_eq!(said.trim(), "If the email exists, a reset link will be sent", "{name}");
    }
}

#[test]
fn the_axum_server_greets_who_calls_it_as_it_says() {
    let mut server = example("axum_server");
    server.arg("127.0.0.1:0");
    let server = Serving::of(server);
    let url = format!("http://{}", server.address);
    let json = r#"{"name":"Ada"}"#;
    let ran =
        scv2(&["call", "--base-url", &url, "--path", "/greet", "--message", "greet", "--json", json], b"");
    assert_eq!((ran.code, ran.json()["data"]["hello"].as_str()), (0, Some("Ada")), "{}", ran.err);
    let plain =
        server.ask("POST /greet HTTP/1.1\r\nx-client-hash: x\r\ncontent-type: application/json", json);
    assert!(plain.contains("SECURE_CHANNEL.INVALID_PAYLOAD"), "{plain}");
}
