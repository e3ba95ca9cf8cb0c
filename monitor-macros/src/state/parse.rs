//! The enum and its attributes, parsed. What the names in them mean is for [`check`](super::check).

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Fields, Ident, Item, ItemEnum, LitStr, Path, Result, Token, Variant, parenthesized};

/// Longest name or trigger in bytes.
const MAX_NAME_BYTES: usize = 200;
const DURATION: &str = "a duration is a whole number above 0 and one of ns, us, ms, s, m, h, d: \"15m\"; or \"never\"";
const OF_THE_ENUM: &[&str] = &["name", "stuck_after", "crate"];
const OF_A_STATE: &[&str] = &["initial", "terminal", "to", "stuck_after", "name"];

/// What was written.
pub(super) struct Machine {
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) stuck_after: Option<Limit>,
    pub(super) krate: Option<Path>,
    pub(super) states: Vec<State>,
}

pub(super) struct State {
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) initial: Option<Span>,
    pub(super) terminal: Option<Span>,
    pub(super) to: Vec<Target>,
    pub(super) to_span: Option<Span>,
    pub(super) stuck_after: Option<Limit>,
    pub(super) stuck_after_span: Option<Span>,
}

/// How long an entity may stay.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    Never,
    After(Duration),
}

/// `Variant` or `Variant = "trigger"`.
pub(super) struct Target {
    pub(super) variant: Ident,
    pub(super) trigger: Option<LitStr>,
}

pub(super) fn machine(item: TokenStream) -> Result<Machine> {
    const PLAIN: &str = "`MonitorState` is for enums: each variant is a state, without fields";
    let whole = item.clone();
    let Item::Enum(item) = syn::parse2::<Item>(item)? else { return Err(Error::new_spanned(whole, PLAIN)) };
    let ItemEnum { attrs, ident, generics, variants, .. } = item;
    if !generics.params.is_empty() {
        return Err(Error::new_spanned(generics, "`MonitorState` is for enums without generics: states are fixed"));
    }
    let mut machine = Machine { name: snake_case(&ident), ident, stuck_after: None, krate: None, states: Vec::new() };
    machine.read(&attrs)?;
    for variant in &variants {
        machine.states.push(State::read(variant)?);
    }
    Ok(machine)
}

impl Machine {
    fn read(&mut self, attrs: &[Attribute]) -> Result<()> {
        let mut name = None;
        let mut krate = None;
        each_argument(attrs, "monitor_state", OF_THE_ENUM, |argument, input| match &*argument.to_string() {
            "name" => once(&mut name, argument, || text(input, argument).map(|text| text.value())),
            "stuck_after" => once(&mut self.stuck_after, argument, || duration(input, argument)),
            _ => once(&mut krate, argument, || {
                equals(input, argument, "= path")?;
                let error = |error: Error| Error::new(error.span(), "`crate` must be a path: `crate = monitor_core`");
                input.call(Path::parse_mod_style).map_err(error)
            }),
        })?;
        if let Some(misplaced) = attrs.iter().find(|attr| attr.path().is_ident("state")) {
            return Err(Error::new_spanned(
                misplaced,
                "`#[state(..)]` is for variants; on the enum stands `#[monitor_state(..)]`",
            ));
        }
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.krate = krate;
        Ok(())
    }
}

impl State {
    fn read(variant: &Variant) -> Result<State> {
        if !matches!(variant.fields, Fields::Unit) {
            let message = format!("`{}` has fields; a state is a variant without any", variant.ident);
            return Err(Error::new(variant.fields.span(), message));
        }
        if let Some(misplaced) = variant.attrs.iter().find(|attr| attr.path().is_ident("monitor_state")) {
            return Err(Error::new_spanned(
                misplaced,
                "`#[monitor_state(..)]` is for the enum; on a variant stands `#[state(..)]`",
            ));
        }
        let (mut initial, mut terminal, mut to, mut stuck_after, mut name) = (None, None, None, None, None);
        let mut stuck_after_span = None;
        each_argument(&variant.attrs, "state", OF_A_STATE, |argument, input| match &*argument.to_string() {
            "initial" => once(&mut initial, argument, || alone(input, argument)),
            "terminal" => once(&mut terminal, argument, || alone(input, argument)),
            "to" => once(&mut to, argument, || Ok((argument.span(), targets(input)?))),
            "stuck_after" => {
                stuck_after_span = Some(argument.span());
                once(&mut stuck_after, argument, || duration(input, argument))
            }
            _ => once(&mut name, argument, || text(input, argument).map(|text| text.value())),
        })?;
        let (to_span, to) = to.map_or_else(|| (None, Vec::new()), |(span, to)| (Some(span), to));
        Ok(State {
            ident: variant.ident.clone(),
            name: name.unwrap_or_else(|| snake_case(&variant.ident)),
            initial,
            terminal,
            to,
            to_span,
            stuck_after,
            stuck_after_span,
        })
    }
}

/// Goes through the arguments of all attributes of that name.
fn each_argument(
    attrs: &[Attribute],
    attribute: &str,
    allowed: &[&str],
    mut one: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<()> {
    let names = || allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(attribute)) {
        let empty = || {
            Error::new_spanned(
                attr,
                format!("`#[{attribute}(..)]` takes arguments in brackets; allowed are {}", names()),
            )
        };
        let list = attr.meta.require_list().map_err(|_| empty())?;
        list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                let Ok(argument) = input.call(Ident::parse_any) else {
                    return Err(input.error(format!("an argument begins with its name; allowed are {}", names())));
                };
                if !allowed.contains(&argument.to_string().as_str()) {
                    let message = format!("unknown argument `{argument}`; allowed are {}", names());
                    return Err(Error::new(argument.span(), message));
                }
                one(&argument, input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn once<T>(slot: &mut Option<T>, name: &Ident, parse: impl FnOnce() -> Result<T>) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(name.span(), format!("`{name}` is given twice; give each argument once")));
    }
    *slot = Some(parse()?);
    Ok(())
}

fn alone(input: ParseStream<'_>, name: &Ident) -> Result<Span> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(name.span());
    }
    Err(input.error(format!("`{name}` stands alone, without a value")))
}

fn equals(input: ParseStream<'_>, name: &Ident, form: &str) -> Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        return Ok(());
    }
    Err(Error::new(name.span(), format!("`{name}` needs a value: `{name} {form}`")))
}

/// `= "text"`, neither empty nor over-long.
fn text(input: ParseStream<'_>, name: &Ident) -> Result<LitStr> {
    equals(input, name, "= \"..\"")?;
    let error =
        |error: Error| Error::new(error.span(), format!("`{name}` must be a string literal: `{name} = \"..\"`"));
    let text = input.parse::<LitStr>().map_err(error)?;
    bounded(&text, &format!("`{name}`"))?;
    Ok(text)
}

fn bounded(text: &LitStr, what: &str) -> Result<()> {
    let bytes = text.value().len();
    if (1..=MAX_NAME_BYTES).contains(&bytes) {
        return Ok(());
    }
    let found = if bytes == 0 { "it is empty".to_owned() } else { format!("it has {bytes}") };
    Err(Error::new(text.span(), format!("{what} must have 1 to {MAX_NAME_BYTES} bytes; {found}")))
}

/// `= "15m"` or `= "never"`.
fn duration(input: ParseStream<'_>, name: &Ident) -> Result<Limit> {
    equals(input, name, "= \"15m\"")?;
    let literal = input.parse::<LitStr>().map_err(|error| Error::new(error.span(), DURATION))?;
    match &*literal.value() {
        "never" => Ok(Limit::Never),
        text => in_words(text).map(Limit::After).ok_or_else(|| Error::new(literal.span(), DURATION)),
    }
}

fn in_words(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ns" => Some(Duration::from_nanos(number)),
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

/// `(Variant, Variant = "trigger")`
fn targets(input: ParseStream<'_>) -> Result<Vec<Target>> {
    const FORM: &str = "`to` takes a list of variants: `to(Copying = \"trigger\", Failed)`";
    if !input.peek(syn::token::Paren) {
        return Err(input.error(FORM));
    }
    let content;
    let brackets = parenthesized!(content in input);
    let mut list = Vec::new();
    while !content.is_empty() {
        let variant = content.parse::<Ident>().map_err(|error| Error::new(error.span(), FORM))?;
        let mut trigger = None;
        if content.peek(Token![=]) {
            content.parse::<Token![=]>()?;
            let literal = content.parse::<LitStr>().map_err(|error| Error::new(error.span(), FORM))?;
            bounded(&literal, "a trigger")?;
            trigger = Some(literal);
        }
        list.push(Target { variant, trigger });
        if !content.is_empty() {
            content.parse::<Token![,]>().map_err(|error| Error::new(error.span(), FORM))?;
        }
    }
    if list.is_empty() {
        return Err(Error::new(brackets.span.join(), format!("{FORM}; here is none")));
    }
    Ok(list)
}

/// `HttpServer2` as `http_server2`.
fn snake_case(ident: &Ident) -> String {
    let name = ident.unraw().to_string();
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, &letter) in letters.iter().enumerate() {
        let after = |step: isize| at.checked_add_signed(step).and_then(|at| letters.get(at)).copied();
        let begins_word = letter.is_uppercase()
            && after(-1).is_some_and(|before| {
                // The end of `HTTP` in `HTTPServer` is where a small letter follows.
                before != '_' && (!before.is_uppercase() || after(1).is_some_and(char::is_lowercase))
            });
        if begins_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_snake_case() {
        for (name, snake) in [
            ("Idle", "idle"),
            ("InFlight", "in_flight"),
            ("HTTPServer", "http_server"),
            ("Phase2", "phase2"),
            ("A", "a"),
            ("Already_Snake", "already_snake"),
            ("Ärger", "ärger"),
        ] {
            assert_eq!(snake_case(&Ident::new(name, Span::call_site())), snake);
        }
        assert_eq!(snake_case(&Ident::new_raw("Type", Span::call_site())), "type");
    }

    #[test]
    fn every_unit_is_understood_and_anything_else_refused() {
        let read =
            [("7ns", 7), ("2us", 2_000), ("250ms", 250_000_000), ("1s", 1_000_000_000), ("15m", 900_000_000_000)];
        for (text, ns) in read {
            assert_eq!(in_words(text), Some(Duration::from_nanos(ns)), "{text}");
        }
        assert_eq!(in_words("1h"), Some(Duration::from_hours(1)));
        assert_eq!(in_words("2d"), Some(Duration::from_hours(48)));
        for text in ["", "5", "m", "0m", "-1m", "1.5h", "5 m", "1w", "18446744073709551615d", "99999999999999999999s"] {
            assert_eq!(in_words(text), None, "{text:?}");
        }
    }
}
