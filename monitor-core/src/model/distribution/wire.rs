//! The serde form of a distribution, as its documentation has it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Distribution;
use crate::base::float_buckets::{self, LAST_BUCKET};
use crate::model::units::float_text;

/// Version of the form, raised when its meaning changes.
const WIRE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    sum: Float,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<Float>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<Float>,
    #[serde(default)]
    not_finite: u64,
    buckets: Vec<(i64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Float(#[serde(with = "float_text")] f64);

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = Wire {
            version: WIRE_VERSION,
            sum: Float(self.sum),
            min: self.min().map(Float),
            max: self.max().map(Float),
            not_finite: self.not_finite,
            buckets: self.cells().map(|(index, count)| (i64::from(index), count)).collect(),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distribution, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        if wire.version != WIRE_VERSION {
            let found = wire.version;
            return Err(de::Error::custom(format_args!(
                "distribution version {found} is not known here, only version {WIRE_VERSION}"
            )));
        }
        let mut all = Distribution::new();
        for (index, count) in wire.buckets {
            let Some((octave, step)) = i32::try_from(index).ok().and_then(float_buckets::bucket) else {
                return Err(de::Error::custom(format_args!(
                    "distribution bucket {index} is off the scale; allowed are 0 and 32 to {LAST_BUCKET}, with either sign"
                )));
            };
            all.add(octave, step, count);
        }
        let [min, max] = [wire.min, wire.max].map(|end| end.map_or(f64::NAN, |end| end.0));
        let ends = (if min.is_nan() { f64::INFINITY } else { min }, if max.is_nan() { f64::NEG_INFINITY } else { max });
        let sum = if wire.sum.0.is_nan() { 0.0 } else { wire.sum.0 };
        all.add_summary(sum, ends.0, ends.1, wire.not_finite);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serde_form_is_the_documented_one() {
        let all: Distribution = [0.0, 1.0, -0.1, f64::NAN].into_iter().collect();
        let json = serde_json::to_string(&all).unwrap();
        let expected = r#"{"version":1,"sum":"0.9","min":"-0.1","max":"1.0","not_finite":1,"buckets":[[-32627,1],[0,1],[32736,1]]}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Distribution>(&json).unwrap(), all);
        let none = serde_json::to_string(&Distribution::new()).unwrap();
        assert_eq!(serde_json::from_str::<Distribution>(&none).unwrap(), Distribution::new());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_why() {
        let read = |json: &str| serde_json::from_str::<Distribution>(json).unwrap_err().to_string();
        assert!(read(r#"{"version":2,"sum":0,"buckets":[]}"#).contains("version 2 is not known"));
        for index in ["31", "65504", "-65504", "9223372036854775807"] {
            let json = format!(r#"{{"version":1,"sum":1.5,"buckets":[[{index},1]]}}"#);
            assert!(read(&json).contains(&format!("bucket {index} is off the scale")), "{index}");
        }
        assert!(read(r#"{"version":1,"sum":"much","buckets":[]}"#).contains("a number, or its text"));
    }
}
