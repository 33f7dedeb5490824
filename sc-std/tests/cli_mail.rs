//! Where `scv2 serve` sends mails: what is refused, what is warned of, and what is never repeated.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::scv2;

/// Starts a server that must not come up.
fn refused(arguments: &[&str]) -> String {
    let ran = scv2(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(), b"");
    assert_eq!(ran.code, 2, "{arguments:?} {}", ran.err);
    assert!(ran.out.is_empty(), "{}", ran.text());
    ran.err
}

#[test]
fn a_bad_url_is_refused_without_being_repeated() {
    for (url, told) in [
        ("SECRET", "smtps://host"),
        ("https://SECRET", "smtps://host"),
        ("smtp://host?tls=SECRET", "tls=required"),
        ("smtps://SECRET@host", "user and a password"),
        ("smtps://host/SECRET/SECRET", "greet"),
    ] {
        let err = refused(&["--smtp", url]);
        assert!(err.contains("--smtp: ") && err.contains(told) && !err.contains("SECRET"), "{url}: {err}");
    }
}

#[test]
fn a_password_on_the_command_line_is_warned_of() {
    let bad_sender = ["--mail-from", "nobody", "--smtp"];
    let err = refused(&[&bad_sender[..], &["smtp://u:SECRET@127.0.0.1"]].concat());
    assert!(err.contains("list of processes; use --smtp-file") && !err.contains("SECRET"), "{err}");
    assert!(err.contains("--mail-from: "), "{err}");
    let err = refused(&[&bad_sender[..], &["smtp://127.0.0.1"]].concat());
    assert!(!err.contains("list of processes"), "{err}");
}

#[test]
fn the_url_may_be_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "smtp://u:SECRET@127.0.0.1\n").unwrap();
    let err = refused(&["--smtp-file", path, "--mail-from", "nobody"]);
    assert!(err.contains("--mail-from: ") && !err.contains("SECRET") && !err.contains("processes"), "{err}");
    std::fs::write(&file, "SECRET\n").unwrap();
    let err = refused(&["--smtp-file", path]);
    assert!(err.contains(path) && !err.contains("SECRET"), "{err}");
    assert!(refused(&["--smtp-file", "/nowhere/url"]).contains("/nowhere/url"));
}

#[test]
fn mails_go_to_one_place() {
    for other in [["--outbox", "mails"], ["--smtp-file", "file"]] {
        let err = refused(&[&["--smtp", "smtp://SECRET"][..], &other].concat());
        assert!(err.contains("cannot be used with") && !err.contains("SECRET"), "{err}");
    }
    assert!(refused(&["--outbox", "mails", "--smtp-file", "file"]).contains("cannot be used with"));
}

#[test]
fn a_bad_sender_is_refused_for_a_folder_too() {
    let folder = tempfile::tempdir().unwrap();
    let err = refused(&["--outbox", folder.path().to_str().unwrap(), "--mail-from", "nobody"]);
    assert!(err.contains("--mail-from: "), "{err}");
}
