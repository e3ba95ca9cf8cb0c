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
        all.not_finite = wire.not_finite;
        let used = (all.cells().next(), all.cells().last());
        if let (Some((first, _)), Some((last, _))) = used {
            let said = |end: Option<Float>| end.map(|end| end.0).filter(|end| end.is_finite());
            let min = said(wire.min).unwrap_or(float_buckets::bounds(first).0);
            let max = said(wire.max).unwrap_or(float_buckets::bounds(last).1);
            let sum = if wire.sum.0.is_nan() { 0.0 } else { wire.sum.0 };
            all.add_summary(sum, min, max, 0);
        }
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
    fn extremes_that_are_missing_or_no_numbers_are_read_off_the_buckets() {
        for ends in
            ["", r#""min":"NaN","max":"NaN","#, r#""min":"-Inf","max":"+Inf","#, r#""min":"+Inf","max":"-Inf","#]
        {
            let json = format!(r#"{{"version":1,"sum":"4",{ends}"buckets":[[-32736,1],[32768,2]]}}"#);
            let read: Distribution = serde_json::from_str(&json).unwrap();
            let (min, max) = (read.min().unwrap(), read.max().unwrap());
            assert!((-1.04..=-1.0).contains(&min) && (2.0..=2.07).contains(&max), "{ends} {min} {max}");
            assert!((read.percentile(0.9).unwrap() - 2.0).abs() < 0.04, "{read:?}");
            let again = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Distribution>(&again).unwrap(), read);
        }
        let none: Distribution = serde_json::from_str(r#"{"version":1,"sum":"7","min":"1","buckets":[]}"#).unwrap();
        assert_eq!(none, Distribution::new());
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
