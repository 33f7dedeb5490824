//! Holds the repository's documents to what they say: their code is compiled and run here, `tests` holds their links and
//! commands to what exists, `examples/picture.rs` draws the picture of the demo. Nothing of it is in a package.
#![forbid(unsafe_code)]

macro_rules! documents {
    ($($name:ident: $file:literal),* $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!($file)]
            pub mod $name {}
        )*
    };
}

documents! {
    readme: "../README.md",
    contributing: "../CONTRIBUTING.md",
    sc_core: "../sc-core/README.md",
    sc_std: "../sc-std/README.md",
}
