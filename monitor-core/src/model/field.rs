//! Values of the fields that an operation was told to carry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The value of a field in an individual record.
///
/// ```
/// use monitor_core::FieldValue;
///
/// assert_eq!(FieldValue::from(42_u16), FieldValue::U64(42));
/// assert_eq!(FieldValue::from("eu-west").to_string(), "eu-west");
/// ```
///
/// In serde's form the type is kept, `{"u64":42}`, so that every value comes back as it was; a float that JSON has no
/// number for is written as text: `"NaN"`, `"inf"`, `"-inf"`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// A truth value.
    Bool(bool),
    /// A signed integer; an `i128` that is too large is kept as text.
    I64(i64),
    /// An unsigned integer; a `u128` that is too large is kept as text.
    U64(u64),
    /// A float.
    F64(#[serde(with = "any_float")] f64),
    /// A text, cut at a bounded length when it is recorded.
    Text(String),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Bool(value) => value.fmt(f),
            FieldValue::I64(value) => value.fmt(f),
            FieldValue::U64(value) => value.fmt(f),
            FieldValue::F64(value) => value.fmt(f),
            FieldValue::Text(value) => value.fmt(f),
        }
    }
}

macro_rules! from_lossless {
    ($variant:ident: $($type:ty),+) => {
        $(impl From<$type> for FieldValue {
            fn from(value: $type) -> FieldValue {
                FieldValue::$variant(value.into())
            }
        })+
    };
}

from_lossless!(Bool: bool);
from_lossless!(I64: i8, i16, i32, i64);
from_lossless!(U64: u8, u16, u32, u64);
from_lossless!(F64: f32, f64);
from_lossless!(Text: String, &str, char, std::borrow::Cow<'_, str>);

// Wider than the variant on some platform, or always: kept as text where it does not fit, never cut.
macro_rules! from_wide {
    ($variant:ident: $($type:ty),+) => {
        $(impl From<$type> for FieldValue {
            fn from(value: $type) -> FieldValue {
                value.try_into().map_or_else(|_| FieldValue::Text(value.to_string()), FieldValue::$variant)
            }
        })+
    };
}

from_wide!(I64: isize, i128);
from_wide!(U64: usize, u128);

/// A float as a number where JSON has one, else as text.
mod any_float {
    use serde::de::{self, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde fixes the signature")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.collect_str(value) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(AnyFloat)
    }

    struct AnyFloat;

    impl Visitor<'_> for AnyFloat {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or one of \"NaN\", \"inf\" and \"-inf\"")
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
            Ok(super::super::units::to_f64(value))
        }

        #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
            text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &FieldValue) -> FieldValue {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    #[test]
    fn every_value_comes_back_with_its_type() {
        let values = [
            true.into(),
            i64::MIN.into(),
            5_i8.into(),
            5_u8.into(),
            u64::MAX.into(),
            2.0_f64.into(),
            (-0.1_f64).into(),
            f64::INFINITY.into(),
            f64::NEG_INFINITY.into(),
            "\u{1b}[31m\n".into(),
        ];
        for value in values {
            assert_eq!(round_trip(&value), value);
        }
        assert!(matches!(round_trip(&f64::NAN.into()), FieldValue::F64(nan) if nan.is_nan()));
    }

    #[test]
    fn a_wide_integer_is_never_cut() {
        assert_eq!(FieldValue::from(7_u128), FieldValue::U64(7));
        assert_eq!(FieldValue::from(u128::MAX), FieldValue::Text(u128::MAX.to_string()));
        assert_eq!(FieldValue::from(i128::MIN), FieldValue::Text(i128::MIN.to_string()));
        assert_eq!(FieldValue::from(-7_isize), FieldValue::I64(-7));
    }

    #[test]
    fn display_is_the_bare_value() {
        let shown: Vec<_> = [FieldValue::from(true), (-3).into(), 3_u8.into(), 0.5.into(), 'x'.into()]
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, ["true", "-3", "3", "0.5", "x"]);
    }
}
