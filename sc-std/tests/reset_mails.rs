//! Reset mails as their readers get them: parsed back from the file, in every language.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![cfg(feature = "mail")]

use mail_parser::{MessageParser, MimeHeaders};
use sc_std::language::Language;
use sc_std::message::Email;
use sc_std::reset::{Mailer, Outbox, reset_mail};

const LINK: &str = "https://example.com/reset?lang=en&token=0123456789012345678901234567890123456789012";

/// The only mail of an outbox that a mail in a language was sent to.
async fn file(language: Language) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::create(folder.path(), "Dịch vụ <no-reply@example.com>").unwrap();
    let to = Email::parse("user@example.com").unwrap();
    outbox.send(reset_mail(to, LINK, 900_000, language)).await.unwrap();
    let mut files = std::fs::read_dir(folder.path()).unwrap();
    std::fs::read(files.next().unwrap().unwrap().path()).unwrap()
}

#[tokio::test]
async fn every_language_travels_unharmed_as_text_and_as_html() {
    for language in Language::ALL {
        let sent = reset_mail(Email::parse("user@example.com").unwrap(), LINK, 900_000, *language);
        let bytes = file(*language).await;
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(mail.subject(), Some(sent.subject), "{language}");
        let text = mail.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), sent.text.trim_end(), "{language}");
        let html = mail.body_html(0).unwrap().replace("\r\n", "\n");
        assert_eq!(html.trim_end(), sent.html.trim_end(), "{language}");
        assert!(text.contains(LINK) && html.contains(&LINK.replace('&', "&amp;")), "{language}");
        assert_eq!(mail.header_raw("Content-Language").unwrap().trim(), language.tag());
        for part in mail.parts.iter().filter(|part| part.is_text()) {
            assert_eq!(part.content_type().unwrap().attribute("charset"), Some("utf-8"), "{language}");
        }
        let from = mail.from().unwrap().first().unwrap();
        assert_eq!((from.name(), from.address()), (Some("Dịch vụ"), Some("no-reply@example.com")));
        assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("user@example.com"));
    }
}

#[tokio::test]
async fn what_is_on_the_wire_is_seven_bit_and_in_short_lines() {
    for language in Language::ALL {
        let bytes = file(*language).await;
        assert!(bytes.is_ascii(), "{language}: a server without 8BITMIME must take it");
        for line in bytes.split(|byte| *byte == b'\n') {
            assert!(
                line.len() <= 999 && line.iter().filter(|byte| **byte == b'\r').count() <= 1,
                "{language}"
            );
        }
    }
}

#[tokio::test]
async fn html_names_its_language() {
    for language in Language::ALL {
        let bytes = file(*language).await;
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert!(mail.body_html(0).unwrap().contains(&format!("<html lang=\"{language}\">")));
    }
}
