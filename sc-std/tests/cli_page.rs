//! The page of `scv2 serve`: what its files say of themselves, and that nothing in them comes from elsewhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;

use cli_support::Serving;

const PAGE: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/page.css", "text/css; charset=utf-8"),
    ("/icon.svg", "image/svg+xml"),
    ("/page.mjs", "text/javascript; charset=utf-8"),
    ("/steps.mjs", "text/javascript; charset=utf-8"),
    ("/hex.mjs", "text/javascript; charset=utf-8"),
    ("/dom.mjs", "text/javascript; charset=utf-8"),
    ("/scv2.mjs", "text/javascript; charset=utf-8"),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Status line, header lines in lower case, and body of an answer.
fn parts(answer: &str) -> (&str, Vec<String>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status, headers.lines().map(str::to_lowercase).collect(), body)
}

#[test]
fn every_file_of_the_page_is_guarded_typed_and_never_cached() {
    let serving = Serving::new(&[]);
    for (path, kind) in PAGE {
        let got = serving.ask(&format!("GET {path} HTTP/1.1"), "");
        let (status, headers, body) = parts(&got);
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        for line in [
            &format!("content-type: {kind}"),
            &format!("content-security-policy: {POLICY}"),
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store, no-transform",
            &format!("content-length: {}", body.len()),
        ] {
            assert!(headers.contains(&line.to_lowercase()), "{path}: {line} is not in {headers:?}");
        }
        assert!(!headers.iter().any(|line| line.starts_with("set-cookie")), "{path}");
    }
}

#[test]
fn head_says_what_get_says_without_the_body() {
    let serving = Serving::new(&[]);
    for (path, _) in PAGE {
        let (got, head) = (
            serving.ask(&format!("GET {path} HTTP/1.1"), ""),
            serving.ask(&format!("HEAD {path} HTTP/1.1"), ""),
        );
        let (status, headers, body) = parts(&head);
        let same = |line: &&String| !line.starts_with("x-request-id") && !line.starts_with("date");
        let (_, got, _) = parts(&got);
        assert_eq!((status, body), ("HTTP/1.1 200 OK", ""), "{path}");
        assert!(headers.iter().filter(same).eq(got.iter().filter(same)), "{path}: {headers:?} {got:?}");
    }
}

#[test]
fn other_methods_are_refused_in_json() {
    let serving = Serving::new(&[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = serving.ask(&format!("{method} / HTTP/1.1"), "");
        assert!(
            answer.starts_with("HTTP/1.1 405") && answer.contains("REQUEST.METHOD_NOT_ALLOWED"),
            "{answer}"
        );
    }
}

#[test]
fn without_the_page_its_paths_do_not_exist() {
    let serving = Serving::new(&["--no-page"]);
    for (path, _) in PAGE {
        let answer = serving.ask(&format!("GET {path} HTTP/1.1"), "");
        assert!(
            answer.starts_with("HTTP/1.1 404") && answer.contains("REQUEST.NOT_FOUND"),
            "{path}: {answer}"
        );
    }
    assert!(serving.ask("GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_nothing_is_inline() {
    let serving = Serving::new(&[]);
    for (path, _) in PAGE {
        let answer = serving.ask(&format!("GET {path} HTTP/1.1"), "");
        let (_, _, body) = parts(&answer);
        // The name of a format is no address, and reading an address loads nothing.
        let body =
            body.replace(r#"xmlns="http://www.w3.org/2000/svg""#, "").replace("new URL(", "").to_lowercase();
        for foreign in ["http:", "https:", "//cdn", "\"//", "'//", "url(", "@import", "javascript:", "eval("]
        {
            assert!(!body.contains(foreign), "{path} holds {foreign}");
        }
        for html in ["innerhtml", "outerhtml", "insertadjacenthtml", "document.write"] {
            assert!(!body.contains(html), "{path} reads text as HTML: {html}");
        }
        if path == "/" {
            for inline in [" onclick", " onload", " onerror", " onsubmit", " style=", "<style", "<script>"] {
                assert!(!body.contains(inline), "{inline}");
            }
            assert_eq!(body.matches("<script").count(), 1);
            assert!(body.contains(r#"<script type="module" src="./page.mjs"></script>"#), "{body}");
        }
    }
}

#[test]
fn the_page_knows_no_file_that_is_not_served() {
    let serving = Serving::new(&[]);
    for (path, _) in PAGE {
        let answer = serving.ask(&format!("GET {path} HTTP/1.1"), "");
        let names = answer.split("\"./").skip(1).filter_map(|rest| rest.split('"').next());
        for name in names {
            assert!(PAGE.iter().any(|(served, _)| served.strip_prefix('/') == Some(name)), "{path}: {name}");
        }
    }
}
