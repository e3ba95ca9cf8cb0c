//! What the expansion of `#[track_operation]` asks about values whose types it cannot know.
//!
//! An attribute sees tokens, not types: whether a value is a `Result` behind an alias, whether an error can be put
//! into words, whether a return type is a boxed future. The compiler answers through autoref specialisation: a method
//! is looked up on a wrapper behind several references, and the candidate behind the most references whose bounds hold
//! is the one that is called. So nothing here puts a bound on the host's types.
//!
//! Host code that runs in here (`Display`, `Debug`, `source`, the closures of `items_from` and `error_if`) may panic:
//! it is contained. This module keeps no state and knows nothing of monitors; it counts nothing itself.

mod shapes;
pub(crate) mod text;
mod values;

use std::any::type_name;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::ops::Deref;

use crate::model::ErrorText;
use crate::record::failure::Failure;

pub use shapes::{
    AskOther, CallBoxed, CallPlain, Options, Passing, Question, Shape, ShapeOther, future_of, same, tracked_type,
};
use text::{PANICKED, bounded_text, contained};
pub use values::{
    Amount, Field, FieldByDebug, FieldByDisplay, FieldByName, FieldByType, Label, LabelByDisplay, LabelByText,
    TypedField, amount, amount_of, field,
};

/// Longest error message in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Longest text of one link of an error's chain of sources in bytes.
const MAX_SOURCE_BYTES: usize = 256;
/// Most links kept of an error's chain of sources.
const MAX_SOURCES: usize = 8;

/// Asks of a returned value whether it is a `Result`.
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// The error type of values that are no `Result`. It is never met.
pub struct NotAnError;

impl<'a, T, E> Probe<'a, Result<T, E>> {
    /// The success value or the error.
    ///
    /// # Errors
    /// The error in the value.
    #[inline]
    pub fn split(&self) -> Result<&'a T, &'a E> {
        self.0.as_ref()
    }
}

/// [`Probe::split`] of everything that is no `Result`: always a success.
pub trait SplitOther<'a> {
    /// The value's type.
    type Value: ?Sized;
    /// The value itself, as the success.
    ///
    /// # Errors
    /// None.
    fn split(&self) -> Result<&'a Self::Value, &'a NotAnError>;
}

impl<'a, T: ?Sized> SplitOther<'a> for Probe<'a, T> {
    type Value = T;

    #[inline]
    fn split(&self) -> Result<&'a T, &'a NotAnError> {
        Ok(self.0)
    }
}

/// The same answer for a return type `impl Trait`, which must not be compared with `Result`: inside the function that
/// defines it the comparison would decide what it is.
///
/// # Errors
/// None.
#[inline]
pub fn opaque<T: ?Sized>(value: &T) -> Result<&T, &NotAnError> {
    Ok(value)
}

/// An error and the best way its type has to put it into words.
pub struct Worded<'a, E: ?Sized> {
    error: &'a E,
    describe: fn(&E) -> ErrorText,
}

impl<E: ?Sized> Failure for Worded<'_, E> {
    #[cold]
    fn describe(&self) -> ErrorText {
        (self.describe)(self.error)
    }
}

/// Asks of an error how it can be put into words: `(&&&&&Caught(error)).failure()`.
pub struct Caught<'a, E>(pub &'a E);

macro_rules! ways_to_word_an_error {
    ($($(#[$doc:meta])* $way:ident for $level:ty, if E: ($($bound:tt)*) => $describe:ident;)+) => {
        $($(#[$doc])*
        pub trait $way<'a, E> {
            /// The error, with the way to describe it.
            fn failure(&self) -> Worded<'a, E>;
        }

        impl<'a, E: $($bound)*> $way<'a, E> for $level {
            #[inline]
            fn failure(&self) -> Worded<'a, E> {
                Worded { error: self.0, describe: $describe::<E> }
            }
        })+
    };
}

ways_to_word_an_error! {
    /// First choice: an `Error`, with its sources.
    WordedByError for &&&&Caught<'a, E>, if E: (Error) => describe_error;
    /// A pointer to an `Error`: `Box<dyn Error>`, `anyhow::Error`.
    WordedByPointee for &&&Caught<'a, E>, if E: (Deref<Target: Error>) => describe_pointee;
    /// `Display`.
    WordedByDisplay for &&Caught<'a, E>, if E: (Display) => describe_display;
    /// `Debug`.
    WordedByDebug for &Caught<'a, E>, if E: (Debug) => describe_debug;
    /// Last choice: the name of its type.
    WordedByName for Caught<'a, E>, if E: () => describe_name;
}

pub(crate) fn describe_error<E: Error + ?Sized>(error: &E) -> ErrorText {
    error_text::<E>(message(error), sources(error))
}

fn describe_pointee<E: Deref<Target: Error>>(error: &E) -> ErrorText {
    match contained(|| &**error) {
        Some(error) => error_text::<E>(message(error), sources(error)),
        None => error_text::<E>(PANICKED.to_owned(), Vec::new()),
    }
}

pub(crate) fn describe_display<E: Display + ?Sized>(error: &E) -> ErrorText {
    error_text::<E>(message(error), Vec::new())
}

fn describe_debug<E: Debug>(error: &E) -> ErrorText {
    error_text::<E>(bounded_text(MAX_MESSAGE_BYTES, format_args!("{error:?}")), Vec::new())
}

fn describe_name<E>(_: &E) -> ErrorText {
    error_text::<E>(String::new(), Vec::new())
}

fn error_text<E: ?Sized>(message: String, sources: Vec<String>) -> ErrorText {
    let mut text = ErrorText::new(type_name::<E>(), message);
    text.sources = sources;
    text
}

fn message<E: Display + ?Sized>(error: &E) -> String {
    bounded_text(MAX_MESSAGE_BYTES, format_args!("{error}"))
}

/// The chain below the error. It is bounded because nothing keeps an error from being its own source.
fn sources<E: Error + ?Sized>(error: &E) -> Vec<String> {
    let mut texts = Vec::new();
    let mut link = contained(|| error.source()).flatten();
    while let Some(source) = link.filter(|_| texts.len() < MAX_SOURCES) {
        texts.push(bounded_text(MAX_SOURCE_BYTES, format_args!("{source}")));
        link = contained(|| source.source()).flatten();
    }
    texts
}

/// What an `error_if` closure may return: `bool` (`true` is a failure) or `Option<impl Display>` (`Some` is a failure
/// with that text).
#[diagnostic::on_unimplemented(
    message = "`error_if` must return `bool` or `Option<impl Display>`, not `{Self}`",
    label = "`true` or `Some(text)` mean failure"
)]
pub trait Judgement {
    /// The judgement as data.
    fn judged(self) -> Judged;
}

/// How a value was judged by the host.
pub enum Judged {
    /// A success, whatever its type says.
    Success,
    /// A failure; the text is that of the error in the value, if there is one.
    Failure,
    /// A failure with the host's text.
    Said(Said),
    /// The closure panicked: the value's type decides.
    Unread,
}

impl Judgement for bool {
    #[inline]
    fn judged(self) -> Judged {
        if self { Judged::Failure } else { Judged::Success }
    }
}

impl<T: Display> Judgement for Option<T> {
    #[inline]
    fn judged(self) -> Judged {
        self.map_or(Judged::Success, |text| Judged::Said(Said(message(&text))))
    }
}

/// A failure in the host's own words.
pub struct Said(String);

impl Failure for Said {
    fn describe(&self) -> ErrorText {
        ErrorText::new("", self.0.clone())
    }
}

/// Calls the host's `error_if` with the returned value.
#[inline]
pub fn judge<'a, T: ?Sized, J: Judgement>(value: &'a T, error_if: impl FnOnce(&'a T) -> J) -> Judged {
    contained(|| error_if(value).judged()).unwrap_or(Judged::Unread)
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;

    use super::*;

    struct Mute;

    #[derive(Debug)]
    struct OnlyDebug;

    struct OnlyDisplay;

    impl Display for OnlyDisplay {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("shown")
        }
    }

    #[derive(Debug)]
    struct Layer(usize);

    impl Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "layer {}", self.0)
        }
    }

    static LAYERS: [Layer; 12] = {
        let mut layers = [const { Layer(0) }; 12];
        let mut at = 0;
        while at < 12 {
            layers[at] = Layer(at);
            at += 1;
        }
        layers
    };

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            LAYERS.get(self.0 + 1).map(|layer| layer as _)
        }
    }

    macro_rules! described {
        ($error:expr) => {
            (&&&&&Caught(&$error)).failure().describe()
        };
    }

    #[test]
    fn results_are_split_and_everything_else_is_a_success() {
        type Alias<T> = io::Result<T>;
        let failed: Alias<u8> = Err(io::Error::other("no"));
        assert!(Probe(&failed).split().is_err());
        assert!(matches!(Probe(&Ok::<_, Mute>(5)).split(), Ok(5)));
        assert!(matches!(Probe(&None::<u8>).split(), Ok(None)));
        assert!(matches!(Probe("text").split(), Ok("text")));
    }

    #[test]
    fn an_error_is_put_into_words_as_well_as_its_type_can() {
        assert_eq!(described!(io::Error::other("no")).message, "no");
        assert_eq!(described!(OnlyDisplay).message, "shown");
        assert_eq!(described!(OnlyDebug).message, "OnlyDebug");
        assert_eq!(described!(Mute).message, "");
        assert!(described!(Mute).kind.ends_with("::Mute"));
        assert_eq!(described!("text".to_owned()).message, "text");
    }

    #[test]
    fn sources_are_kept_through_every_pointer_and_are_bounded() {
        let boxed: Box<dyn Error + Send + Sync> = Box::new(Layer(9));
        assert_eq!(described!(boxed).message, "layer 9");
        assert_eq!(described!(boxed).sources, ["layer 10", "layer 11"]);
        let shared: std::rc::Rc<dyn Error> = std::rc::Rc::new(Layer(10));
        assert_eq!(described!(shared).sources, ["layer 11"]);
        assert_eq!(described!(Layer(0)).sources.len(), MAX_SOURCES);
    }

    #[test]
    fn error_if_decides_by_bool_or_by_text() {
        assert!(matches!(judge(&5, |n| *n > 5), Judged::Success));
        assert!(matches!(judge(&6, |n| *n > 5), Judged::Failure));
        let Judged::Said(said) = judge(&7, |n| Some(format!("{n} is odd"))) else { panic!("a failure with a text") };
        assert_eq!(said.describe().message, "7 is odd");
        assert!(matches!(judge(&7, |_| None::<String>), Judged::Success));
        assert!(matches!(judge(&7, |_| -> bool { panic!("in error_if") }), Judged::Unread));
    }
}
