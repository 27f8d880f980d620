//! The counters, as `stats --format json` prints them.

use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Stats(Value);

impl Stats {
    /// Reads them, and checks promise 4.
    #[track_caller]
    pub fn of(text: &str) -> Self {
        let value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("stats are not JSON: {error}\n{text}"));
        let stats = Self(value);
        let terms = ["delivered", "pending", "dead_lettered", "evicted", "damaged", "skipped"];
        let sum: u64 = terms.iter().map(|term| stats.count(term)).sum();
        assert_eq!(stats.count("written"), sum, "written is the sum of {terms:?}\n{text}");
        stats
    }

    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("stats have no count {name:?}: {}", self.0))
    }

    /// These counters have these values.
    #[track_caller]
    pub fn shows<const N: usize>(&self, expected: [(&str, u64); N]) -> &Self {
        for (name, value) in expected {
            assert_eq!(self.count(name), value, "{name} in {}", self.0);
        }
        self
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}
