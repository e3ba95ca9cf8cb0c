//! Amounts, fields and labels from values of any type.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt::{Debug, Display};

use super::text::{PANICKED, bounded_text, contained};
use crate::model::FieldValue;

/// Longest text of a field or label in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// A number of items or bytes: any integer, or a reference to one. What is negative counts as 0.
#[diagnostic::on_unimplemented(
    message = "`items` and `bytes` must be integers, not `{Self}`",
    label = "any integer type will do"
)]
pub trait Amount {
    /// The amount; `u64::MAX` when it does not fit.
    fn amount(&self) -> u64;
}

macro_rules! amounts {
    ($($type:ty),+) => {
        $(impl Amount for $type {
            #[inline]
            fn amount(&self) -> u64 {
                u64::try_from((*self).max(0)).unwrap_or(u64::MAX)
            }
        })+
    };
}

amounts!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl<N: Amount + ?Sized> Amount for &N {
    #[inline]
    fn amount(&self) -> u64 {
        (**self).amount()
    }
}

/// The value of `items = ..` or `bytes = ..`; 0 when the expression panics.
#[inline]
pub fn amount<N: Amount>(expression: impl FnOnce() -> N) -> u64 {
    contained(|| expression().amount()).unwrap_or(0)
}

/// The value of `items_from = ..` for a success value; 0 when the closure panics.
#[inline]
pub fn amount_of<'a, T: ?Sized, N: Amount>(value: &'a T, items_from: impl FnOnce(&'a T) -> N) -> u64 {
    contained(|| items_from(value).amount()).unwrap_or(0)
}

/// Asks of a value how it becomes a field: `(&&&&Field(&value)).value()`.
pub struct Field<'a, T: ?Sized>(pub &'a T);

/// Types that keep their own form as a field.
pub trait TypedField {
    /// The field's value.
    fn field(&self) -> FieldValue;
}

macro_rules! typed_fields {
    ($($type:ty => $value:ident: $field:expr;)+) => {
        $(impl TypedField for $type {
            #[inline]
            fn field(&self) -> FieldValue {
                let $value = self;
                $field
            }
        })+
    };
}

typed_fields! {
    bool => value: FieldValue::Bool(*value);
    u8 => value: FieldValue::U64((*value).into());
    u16 => value: FieldValue::U64((*value).into());
    u32 => value: FieldValue::U64((*value).into());
    u64 => value: FieldValue::U64(*value);
    usize => value: u64::try_from(*value).map_or_else(|_| shown(value), FieldValue::U64);
    u128 => value: u64::try_from(*value).map_or_else(|_| shown(value), FieldValue::U64);
    i8 => value: FieldValue::I64((*value).into());
    i16 => value: FieldValue::I64((*value).into());
    i32 => value: FieldValue::I64((*value).into());
    i64 => value: FieldValue::I64(*value);
    isize => value: i64::try_from(*value).map_or_else(|_| shown(value), FieldValue::I64);
    i128 => value: i64::try_from(*value).map_or_else(|_| shown(value), FieldValue::I64);
    f32 => value: FieldValue::F64((*value).into());
    f64 => value: FieldValue::F64(*value);
}

impl<T: TypedField + ?Sized> TypedField for &T {
    #[inline]
    fn field(&self) -> FieldValue {
        (**self).field()
    }
}

impl<T: TypedField + ?Sized> TypedField for &mut T {
    #[inline]
    fn field(&self) -> FieldValue {
        (**self).field()
    }
}

fn shown<T: Display + ?Sized>(value: &T) -> FieldValue {
    FieldValue::Text(bounded_text(MAX_TEXT_BYTES, format_args!("{value}")))
}

macro_rules! ways_to_make_a_field {
    ($($(#[$doc:meta])* $way:ident for $level:ty, if T: ($($bound:tt)*) => |$value:ident| $field:expr;)+) => {
        $($(#[$doc])*
        pub trait $way {
            /// The field's value.
            fn value(&self) -> FieldValue;
        }

        impl<T: $($bound)* ?Sized> $way for $level {
            #[inline]
            fn value(&self) -> FieldValue {
                let $value = self.0;
                $field
            }
        })+
    };
}

ways_to_make_a_field! {
    /// First choice: numbers and truth values as they are.
    FieldByType for &&&Field<'_, T>, if T: (TypedField +) => |value| value.field();
    /// `Display`, which texts have too.
    FieldByDisplay for &&Field<'_, T>, if T: (Display +) => |value| shown(value);
    /// `Debug`.
    FieldByDebug for &Field<'_, T>, if T: (Debug +) => |value| FieldValue::Text(bounded_text(MAX_TEXT_BYTES, format_args!("{value:?}")));
    /// Last choice: the name of the type.
    FieldByName for Field<'_, T>, if T: () => |_value| FieldValue::Text(type_name::<T>().to_owned());
}

/// The value of a field; `(panicked)` when making it panics.
#[inline]
pub fn field(value: impl FnOnce() -> FieldValue) -> FieldValue {
    contained(value).unwrap_or_else(|| FieldValue::Text(PANICKED.to_owned()))
}

/// Asks of a value how it becomes a label: `(&&Label(&value)).text()`.
pub struct Label<'a, T: ?Sized>(pub &'a T);

/// First choice: a text, as it is, without a copy.
pub trait LabelByText<'a> {
    /// The label's value.
    fn text(&self) -> Cow<'a, str>;
}

impl<'a, T: AsRef<str> + ?Sized> LabelByText<'a> for &Label<'a, T> {
    #[inline]
    fn text(&self) -> Cow<'a, str> {
        contained(|| self.0.as_ref()).map_or(Cow::Borrowed(PANICKED), Cow::Borrowed)
    }
}

/// Second choice: `Display`.
pub trait LabelByDisplay<'a> {
    /// The label's value.
    fn text(&self) -> Cow<'a, str>;
}

impl<'a, T: Display + ?Sized> LabelByDisplay<'a> for Label<'a, T> {
    fn text(&self) -> Cow<'a, str> {
        Cow::Owned(bounded_text(MAX_TEXT_BYTES, format_args!("{}", self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mute;

    #[derive(Debug)]
    struct OnlyDebug;

    macro_rules! field_of {
        ($value:expr) => {
            (&&&&Field(&$value)).value()
        };
    }

    fn text(text: &str) -> FieldValue {
        FieldValue::Text(text.to_owned())
    }

    #[test]
    fn any_integer_is_an_amount() {
        assert_eq!(amount(|| 5), 5);
        assert_eq!(amount(|| -5_i8), 0);
        assert_eq!(amount(|| u128::MAX), u64::MAX);
        assert_eq!(amount(|| &7_usize), 7);
        assert_eq!(amount_of("four", str::len), 4);
        assert_eq!(amount(|| -> u8 { panic!("in items") }), 0);
    }

    #[test]
    fn numbers_keep_their_type_as_fields() {
        assert_eq!(field_of!(true), FieldValue::Bool(true));
        assert_eq!(field_of!(-3_i8), FieldValue::I64(-3));
        assert_eq!(field_of!(3_usize), FieldValue::U64(3));
        assert_eq!(field_of!(&&1.5_f32), FieldValue::F64(1.5));
        assert_eq!(field_of!(u128::MAX), text(&u128::MAX.to_string()));
    }

    #[test]
    fn everything_else_is_a_text_as_good_as_its_type_can() {
        assert_eq!(field_of!("text"), text("text"));
        assert_eq!(field_of!(String::from("text")), text("text"));
        assert_eq!(field_of!(Cow::Borrowed("text")), text("text"));
        assert_eq!(field_of!(Some(1)), text("Some(1)"));
        assert_eq!(field_of!(OnlyDebug), text("OnlyDebug"));
        assert_eq!(field_of!(Mute), text(type_name::<Mute>()));
        let FieldValue::Text(long) = field_of!("ä".repeat(500)) else { panic!("a text") };
        assert!(long.len() <= MAX_TEXT_BYTES && long.ends_with("ä…"));
        assert_eq!(field(|| panic!("in a field")), text(PANICKED));
    }

    #[test]
    #[expect(clippy::needless_borrow, reason = "the references choose between the candidates")]
    fn labels_are_texts_without_a_copy_where_they_can() {
        assert!(matches!((&&Label(&"text".to_owned())).text(), Cow::Borrowed("text")));
        assert_eq!((&&Label(&404_u16)).text(), "404");
        assert_eq!((&&Label(&true)).text(), "true");
    }
}
