//! Where `scv2 serve` sends mails: what is refused, what is warned of, and what is never repeated.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli_support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use cli_support::scv2;

/// A server that is ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes one mail, and gives it back without its envelope.
fn take_mail(stream: TcpStream) -> std::io::Result<String> {
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    writer.write_all(b"220 sink\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        if line != "DATA" {
            writer.write_all(b"250 fine\r\n")?;
            continue;
        }
        writer.write_all(b"354 go on\r\n")?;
        let mut mail = String::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
            mail.push_str(&line);
            mail.push('\n');
        }
        writer.write_all(b"250 taken\r\n")?;
        return Ok(mail);
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

#[test]
fn a_reset_mail_goes_from_the_server_to_the_mail_server() {
    let sink = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", sink.local_addr().unwrap());
    let (sender, mails) = mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = sink.accept().unwrap();
        let _ = sender.send(take_mail(stream));
    });
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "user@example.com\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_scv2"))
        .args(["serve", "--listen", "127.0.0.1:0", "--smtp", &url, "--mail-from", "Me <me@example.com>"])
        .arg("--users")
        .arg(&users)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let mut first = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let base = first.trim().strip_prefix("listening on ").unwrap();
    let ran = scv2(&["forgot-password", "--base-url", base, "--email", "User@example.com"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mail = mails.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
    for part in
        ["From: Me <me@example.com>", "To: user@example.com", "https://localhost/reset-password?token="]
    {
        assert!(mail.contains(part), "{part}\n{mail}");
    }
}

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

#[test]
fn a_folder_for_mails_that_nobody_asked_for_goes_with_the_server_unless_there_are_mails_in_it() {
    for mails in [0, 1] {
        let temporary = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_scv2"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Server(child);
        let mut line = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let folders = || std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
        let folder = folders().next().unwrap();
        for number in 0..mails {
            std::fs::write(folder.join(format!("{number}.eml")), "mail").unwrap();
        }
        let pid = server.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        assert!(server.0.wait().unwrap().success());
        assert_eq!(folders().count(), mails, "{folder:?}");
    }
}
