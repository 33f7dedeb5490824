//! Guides: documents to read. Their code is tested with the documentation.
//!
//! | guide | for |
//! |---|---|
//! | [`operating`] | whoever runs a server: keys, Redis, limits, metrics, logs, capacity, back-ups, incidents |
//! | [`migrating`] | a service that takes plain JSON or JWE today |
//! | [`choosing`] | profile, keys, provider, way of set-up, store, IVs, client |
//! | [`security`] | what the channel gives, what it does not, what a deployment must do |
//! | [`comparison`] | the channel beside TLS, mTLS, JWE, HPKE, OHTTP and Noise |
//! | [`sc_core::guide::protocol`] | implementers in other languages: the protocol, byte by byte |

/// One guide. Its own links are for readers of the file; these, which come first and therefore count, for those of rustdoc.
macro_rules! guide {
    ($(#[$summary:meta])* $name:ident, $file:literal) => {
        $(#[$summary])*
        #[doc = ""]
        #[doc = "[p43]: sc_core::guide::protocol#43-life-of-a-session"]
        #[doc = "[p5]: sc_core::guide::protocol#5-http-binding"]
        #[doc = "[p9]: sc_core::guide::protocol#9-threats-and-what-answers-them"]
        #[doc = "[protocol]: sc_core::guide::protocol"]
        #[doc = "[provider]: sc_core::provider"]
        #[doc = "[operating]: crate::guide::operating"]
        #[doc = "[alerts]: crate::guide::operating#metrics"]
        #[doc = "[migrating]: crate::guide::migrating"]
        #[doc = "[choosing]: crate::guide::choosing"]
        #[doc = "[pins]: crate::guide::choosing#pins"]
        #[doc = "[security]: crate::guide::security"]
        #[doc = "[comparison]: crate::guide::comparison"]
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

guide! {
    /// Running a server: keys, rotation, Redis, limits, metrics, logs, capacity, back-ups, upgrades, incidents.
    operating, "../docs/operating.md"
}

guide! {
    /// From plain JSON, and from JWE, with both kinds side by side.
    migrating, "../docs/migrating.md"
}

guide! {
    /// Which profile, key, provider, way of set-up, store, IV mode and client.
    choosing, "../docs/choosing.md"
}

guide! {
    /// What the channel gives, what it does not give, what this project adds, what a deployment must do.
    security, "../docs/security.md"
}

guide! {
    /// The channel beside TLS, mTLS, JWE, HPKE, OHTTP and Noise.
    comparison, "../docs/comparison.md"
}
