//! What the page on scale assumes and nobody here measured. Each is an option of the program: `--core-hour 0.04`.

/// Name, value and meaning of each.
#[derive(Clone, Debug)]
pub(crate) struct Assumptions(Vec<(&'static str, f64, &'static str)>);

impl Default for Assumptions {
    fn default() -> Self {
        Self(vec![
            ("core-hour", 0.04, "dollars for one core for one hour; no provider's price, put yours in"),
            ("gb-hour", 0.005, "dollars for one GB of Redis's memory for one hour; likewise"),
            ("server-cores", 16.0, "cores of a server"),
            (
                "load",
                0.6,
                "share of its cores that a server uses at this rate; the rest is for peaks and for losing one",
            ),
            ("gap", 60.0, "seconds between two requests of a session"),
            ("headers", 900.0, "bytes of HTTP headers of a request and its answer together"),
            (
                "redis-ops",
                60_000.0,
                "operations a second of one Redis: half of the 122,556 plain SETs that [Redis's own page][redis] shows, as ours are scripts",
            ),
            ("redis-gb", 32.0, "GB of one Redis"),
            ("redis-cores", 2.0, "cores paid for each primary or replica of Redis"),
            ("replicas", 1.0, "replicas of each primary"),
        ])
    }
}

impl Assumptions {
    /// Takes `--name value` pairs.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut all = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").unwrap_or_default();
            let Some(one) = all.0.iter_mut().find(|one| one.0 == name) else {
                return Err(format!("{argument}: not known; {}", Self::default().usage()));
            };
            let value = arguments.next().and_then(|value| value.parse().ok());
            one.1 = value
                .filter(|value: &f64| value.is_finite() && *value > 0.0)
                .ok_or(format!("{argument} wants a number above 0"))?;
        }
        Ok(all)
    }

    fn usage(&self) -> String {
        let names: Vec<String> =
            self.0.iter().map(|(name, value, _)| format!("[--{name} {value}]")).collect();
        names.join(" ")
    }

    /// The value of one.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.iter().find(|one| one.0 == name).map_or(f64::NAN, |one| one.1)
    }

    /// Takes what was measured after all in place of the assumption.
    pub(crate) fn measured(&mut self, name: &str, value: f64) {
        if let Some(one) = self.0.iter_mut().find(|one| one.0 == name) {
            (one.1, one.2) = (value, "operations a second of one Redis, measured (`redis`)");
        }
    }

    /// Rows for a table: option, value, meaning.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let row = |(name, value, meaning): &(&str, f64, &str)| {
            vec![format!("`--{name} {value}`"), (*meaning).to_owned()]
        };
        self.0.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Assumptions, String> {
        Assumptions::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn an_option_replaces_its_assumption_only() {
        let ours = parse("--core-hour 0.1 --gap 5").unwrap();
        assert_eq!([ours.of("core-hour"), ours.of("gap"), ours.of("gb-hour")], [0.1, 5.0, 0.005]);
    }

    #[test]
    fn what_is_not_known_or_no_number_is_refused() {
        for wrong in ["--corehour 1", "core-hour 1", "--load", "--load x", "--load 0", "--load inf"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
