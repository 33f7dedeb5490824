//! Mails over SMTP, to a mail server inside of the test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![cfg(feature = "smtp")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use mail_parser::MessageParser;
use sc_std::language::Language;
use sc_std::message::Email;
use sc_std::reset::{Mail, MailError, Mailer, Smtp, reset_mail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const FROM: &str = "Service <no-reply@example.com>";
const LINK: &str = "https://example.com/reset?token=0123456789012345678901234567890123456789012";

/// How a server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    /// Refuses every recipient, and repeats it.
    RefusesRecipients,
    /// Refuses every login, and repeats it.
    RefusesLogins,
    /// Is out of order for now.
    Unwell,
    /// Says nothing at all.
    Silent,
    /// Takes a mail and never says so.
    HangsAtTheEnd,
    /// Says what is no SMTP.
    Nonsense,
    /// Goes away after a mail.
    HangsUp,
}

/// What a server has heard.
#[derive(Default)]
struct Heard {
    connections: usize,
    commands: Vec<String>,
    mails: Vec<String>,
}

struct Sink {
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Sink {
    async fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let all = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                all.lock().unwrap().connections += 1;
                // A client may go away at any time.
                tokio::spawn(talk(stream, manner, Arc::clone(&all)));
            }
        });
        Self { port, heard }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    fn commands(&self) -> Vec<String> {
        self.heard.lock().unwrap().commands.clone()
    }

    fn mails(&self) -> Vec<String> {
        self.heard.lock().unwrap().mails.clone()
    }

    fn connections(&self) -> usize {
        self.heard.lock().unwrap().connections
    }
}

async fn talk(stream: TcpStream, manner: Manner, heard: Arc<Mutex<Heard>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    match manner {
        Manner::Silent => std::future::pending().await,
        Manner::Nonsense => writer.write_all(b"HTTP/1.1 400 secret\r\n\r\n").await?,
        _ => writer.write_all(b"220 sink ESMTP\r\n").await?,
    }
    while let Some(line) = lines.next_line().await? {
        heard.lock().unwrap().commands.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-sink\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME".to_owned(),
            "AUTH" if manner == Manner::RefusesLogins => format!("535 secret {line}"),
            "AUTH" => "235 welcome".to_owned(),
            "MAIL" if manner == Manner::Unwell => "451 secret trouble".to_owned(),
            "RCPT" if manner == Manner::RefusesRecipients => format!("550 nobody like secret {line}"),
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push_str("\r\n");
                }
                heard.lock().unwrap().mails.push(mail);
                match manner {
                    Manner::HangsAtTheEnd => std::future::pending().await,
                    Manner::HangsUp => {
                        writer.write_all(b"250 taken\r\n").await?;
                        return Ok(());
                    }
                    _ => "250 taken".to_owned(),
                }
            }
            "QUIT" => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

fn mail(to: &str, language: Language) -> Mail {
    reset_mail(Email::parse(to).unwrap(), LINK, 900_000, language)
}

#[tokio::test]
async fn a_mail_arrives_with_its_envelope_and_its_words() {
    for language in Language::ALL {
        let sink = Sink::new(Manner::Good).await;
        let smtp = Smtp::new(&sink.url(), FROM).unwrap();
        smtp.send(mail("user@example.com", *language)).await.unwrap();
        let commands = sink.commands();
        assert_eq!(commands[0], "EHLO example.com");
        assert!(commands[1].starts_with("MAIL FROM:<no-reply@example.com>"), "{commands:?}");
        assert_eq!(commands[2], "RCPT TO:<user@example.com>");
        let mails = sink.mails();
        let read = MessageParser::default().parse(mails[0].as_bytes()).unwrap();
        let sent = mail("user@example.com", *language);
        assert_eq!(read.subject(), Some(sent.subject));
        let text = read.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), sent.text.trim_end());
        assert!(read.body_html(0).unwrap().contains(LINK));
    }
}

#[tokio::test]
async fn one_connection_serves_many_mails_and_a_lost_one_is_replaced() {
    let sink = Sink::new(Manner::Good).await;
    let smtp = Smtp::new(&sink.url(), FROM).unwrap();
    for n in 0..5 {
        smtp.send(mail(&format!("user{n}@example.com"), Language::En)).await.unwrap();
    }
    assert_eq!((sink.mails().len(), sink.connections()), (5, 1));

    let sink = Sink::new(Manner::HangsUp).await;
    let smtp = Smtp::new(&sink.url(), FROM).unwrap();
    for n in 0..3 {
        smtp.send(mail(&format!("user{n}@example.com"), Language::En)).await.unwrap();
    }
    assert_eq!((sink.mails().len(), sink.connections()), (3, 3));
}

#[tokio::test]
async fn many_mails_at_once_arrive_each_by_itself() {
    let sink = Sink::new(Manner::Good).await;
    let smtp = Smtp::new(&sink.url(), FROM).unwrap();
    let sends = (0..20).map(|n| {
        let mail = mail(&format!("user{n}@example.com"), Language::Ja);
        let smtp = &smtp;
        async move { smtp.send(mail).await }
    });
    let results = futures_util::future::join_all(sends).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let mut to: Vec<_> = sink
        .mails()
        .iter()
        .map(|mail| mail.lines().find(|line| line.starts_with("To: ")).unwrap().to_owned())
        .collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 20);
}

#[tokio::test]
async fn user_and_password_are_sent_if_there_are_any() {
    let sink = Sink::new(Manner::Good).await;
    let url = format!("smtp://me%40example.com:p%3Ass@127.0.0.1:{}/app.example.com", sink.port);
    Smtp::new(&url, FROM).unwrap().send(mail("user@example.com", Language::En)).await.unwrap();
    let commands = sink.commands();
    assert_eq!(commands[0], "EHLO app.example.com");
    let sent = commands[1].strip_prefix("AUTH PLAIN ").unwrap();
    assert_eq!(Base64::decode_vec(sent).unwrap(), b"\0me@example.com\0p:ss");

    let sink = Sink::new(Manner::Good).await;
    Smtp::new(&sink.url(), FROM).unwrap().send(mail("user@example.com", Language::En)).await.unwrap();
    assert!(!sink.commands().iter().any(|command| command.starts_with("AUTH")));
}

#[tokio::test]
async fn an_error_holds_nothing_that_the_server_said() {
    for (manner, expected) in [
        (Manner::RefusesRecipients, MailError::Refused),
        (Manner::RefusesLogins, MailError::Refused),
        (Manner::Unwell, MailError::Delivery),
        (Manner::Nonsense, MailError::Delivery),
    ] {
        let sink = Sink::new(manner).await;
        let url = format!("smtp://secret:secret@127.0.0.1:{}", sink.port);
        let error = Smtp::new(&url, FROM).unwrap().send(mail("secret@example.com", Language::En)).await;
        assert_eq!(error, Err(expected));
        let told = format!("{expected} {expected:?}");
        assert!(!told.contains("secret") && std::error::Error::source(&expected).is_none(), "{told}");
        assert!(sink.mails().is_empty());
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let smtp = Smtp::new(&format!("smtp://127.0.0.1:{port}"), FROM).unwrap();
    assert_eq!(smtp.send(mail("user@example.com", Language::En)).await, Err(MailError::Delivery));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_its_connection_with_it() {
    for manner in [Manner::Silent, Manner::HangsAtTheEnd] {
        let sink = Sink::new(manner).await;
        let smtp = Smtp::new(&sink.url(), FROM).unwrap().with_timeout(Duration::from_millis(300));
        for connections in 1..=2 {
            let sent = smtp.send(mail("user@example.com", Language::En)).await;
            assert_eq!(sent, Err(MailError::TimedOut));
            assert_eq!(sink.connections(), connections, "never again in the middle of a mail");
        }
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_where_it_is_required() {
    let sink = Sink::new(Manner::Good).await;
    let url = format!("smtp://secret:secret@127.0.0.1:{}?tls=required", sink.port);
    // Where the machine has no root certificates, TLS is refused before anything is connected.
    if let Ok(smtp) = Smtp::new(&url, FROM) {
        assert!(smtp.send(mail("user@example.com", Language::En)).await.is_err());
    }
    let commands = sink.commands();
    assert!(!commands.iter().any(|command| command.starts_with("AUTH") || command.starts_with("MAIL")));
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_no_mail_by_smtps() {
    let sink = Sink::new(Manner::Good).await;
    let url = format!("smtps://secret:secret@127.0.0.1:{}", sink.port);
    if let Ok(smtp) = Smtp::new(&url, FROM) {
        let smtp = smtp.with_timeout(Duration::from_secs(5));
        assert!(smtp.send(mail("user@example.com", Language::En)).await.is_err());
    }
    assert!(sink.mails().is_empty());
}
