//! The arguments of the attributes: parsed, checked, ready to be expanded.
//!
//! Every mistake is one error at the place of the mistake, and it names what is allowed. Expressions are kept as they
//! are; their types are the compiler's to check.

use std::rc::Rc;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, LitInt, LitStr, Path, Result, Token, parenthesized};

use crate::record::Record;

/// Longest name, kind or component in bytes.
const MAX_NAME_BYTES: usize = 200;
const MAX_LABELS: usize = 8;
const MAX_FIELDS: usize = 16;
const MAX_SAMPLE: u32 = 1_000_000;

/// The arguments of one attribute. What was not given is `None`. What a block hands down is shared by its functions.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) name: Option<LitStr>,
    pub(crate) kind: Option<Rc<LitStr>>,
    pub(crate) component: Option<Rc<LitStr>>,
    pub(crate) labels: Option<Vec<Pair>>,
    pub(crate) fields: Option<Vec<Pair>>,
    pub(crate) items: Option<Expr>,
    pub(crate) bytes: Option<Expr>,
    pub(crate) items_from: Option<Expr>,
    pub(crate) sample: Option<u32>,
    pub(crate) record: Option<Record>,
    pub(crate) error_if: Option<Expr>,
    pub(crate) krate: Option<Rc<Path>>,
    pub(crate) skip: Option<Span>,
    /// The attribute has been moved behind the others once.
    pub(crate) moved: bool,
}

impl Args {
    /// Whether an argument names something of the program: without the attribute that might seem unused.
    pub(crate) fn uses_the_program(&self) -> bool {
        let computed = |label: &Pair| !matches!(&*label.value, Expr::Lit(_));
        self.labels.iter().flatten().any(computed)
            || self.fields.is_some()
            || self.items.is_some()
            || self.bytes.is_some()
            || self.items_from.is_some()
            || self.error_if.is_some()
            || self.krate.is_some()
    }
}

/// Marks an attribute that has been moved behind the others of its item.
pub(crate) const MOVED: &str = "__moved";

/// `key = value` of a label or a field.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) ident: Ident,
    pub(crate) value: Rc<Expr>,
}

/// Where the attribute stands decides which arguments make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a function by itself.
    Function,
    /// On a function inside `#[track_operations]`.
    Inside,
    /// `#[track_operations]` itself.
    Block,
}

/// What may stand on a function; the last one only inside a block.
const OF_A_FUNCTION: &[&str] = &[
    "name",
    "kind",
    "component",
    "labels",
    "fields",
    "items",
    "bytes",
    "items_from",
    "sample",
    "record",
    "error_if",
    "crate",
    "skip",
];

impl Place {
    const fn allowed(self) -> &'static [&'static str] {
        match self {
            Place::Function => match OF_A_FUNCTION.split_last() {
                Some((_skip, others)) => others,
                None => OF_A_FUNCTION,
            },
            Place::Inside => OF_A_FUNCTION,
            Place::Block => &["kind", "component", "labels", "sample", "record", "crate"],
        }
    }

    fn refuse_other(self, span: Span) -> Error {
        Error::new(span, format!("an argument begins with its name; allowed are {}", self.names()))
    }

    fn names(self) -> String {
        self.allowed().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    fn refuse(self, name: &Ident) -> Error {
        let why = match self {
            Place::Function if name == "skip" => "`skip` is only for functions inside `#[track_operations]`".to_owned(),
            Place::Block if Place::Function.allowed().contains(&name.to_string().as_str()) => {
                format!("`{name}` belongs to one function, not to a whole block")
            }
            _ => format!("unknown argument `{name}`"),
        };
        Error::new(name.span(), format!("{why}; allowed are {}", self.names()))
    }
}

impl Args {
    /// Parses the arguments of an attribute that stands at `place`.
    pub(crate) fn parse(input: ParseStream<'_>, place: Place) -> Result<Args> {
        let mut args = Args::default();
        while !input.is_empty() {
            args.parse_one(input, place)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (Some(span), true) = (args.skip, args.has_more_than_skip()) {
            return Err(Error::new(span, "`skip` stands alone: a function that is skipped has no other arguments"));
        }
        Ok(args)
    }

    fn parse_one(&mut self, input: ParseStream<'_>, place: Place) -> Result<()> {
        let Ok(name) = input.call(Ident::parse_any) else { return Err(place.refuse_other(input.span())) };
        let word = name.to_string();
        if word == MOVED {
            self.moved = true;
            return Ok(());
        }
        if !place.allowed().contains(&word.as_str()) {
            return Err(place.refuse(&name));
        }
        match word.as_str() {
            "name" => once(&mut self.name, &name, || bounded_text(input, &name)),
            "kind" => once(&mut self.kind, &name, || bounded_text(input, &name).map(Rc::new)),
            "component" => once(&mut self.component, &name, || bounded_text(input, &name).map(Rc::new)),
            "labels" => once(&mut self.labels, &name, || labels(input)),
            "fields" => once(&mut self.fields, &name, || fields(input)),
            "items" => once(&mut self.items, &name, || expression(input, &name)),
            "bytes" => once(&mut self.bytes, &name, || expression(input, &name)),
            "items_from" => once(&mut self.items_from, &name, || expression(input, &name)),
            "sample" => once(&mut self.sample, &name, || sample(input, &name)),
            "record" => once(&mut self.record, &name, || {
                equals(input, &name)?;
                input.parse()
            }),
            "error_if" => once(&mut self.error_if, &name, || expression(input, &name)),
            "crate" => once(&mut self.krate, &name, || {
                equals(input, &name)?;
                let error = |error: Error| Error::new(error.span(), "`crate` must be a path: `crate = monitor_core`");
                input.call(Path::parse_mod_style).map(Rc::new).map_err(error)
            }),
            _ => once(&mut self.skip, &name, || Ok(name.span())),
        }
    }

    fn has_more_than_skip(&self) -> bool {
        self.name.is_some()
            || self.kind.is_some()
            || self.component.is_some()
            || self.labels.is_some()
            || self.fields.is_some()
            || self.items.is_some()
            || self.bytes.is_some()
            || self.items_from.is_some()
            || self.sample.is_some()
            || self.record.is_some()
            || self.error_if.is_some()
            || self.krate.is_some()
    }

    /// Fills what was not given from the arguments of the block around it. Labels are added up, a key given here wins.
    pub(crate) fn inherit(&mut self, block: &Args) -> Result<()> {
        self.kind = self.kind.take().or_else(|| block.kind.clone());
        self.component = self.component.take().or_else(|| block.component.clone());
        self.sample = self.sample.or(block.sample);
        self.record = self.record.or(block.record);
        self.krate = self.krate.take().or_else(|| block.krate.clone());
        if let Some(inherited) = &block.labels {
            let own = self.labels.get_or_insert_default();
            let more: Vec<_> =
                inherited.iter().filter(|pair| own.iter().all(|mine| mine.key != pair.key)).cloned().collect();
            if let (true, Some(last)) = (own.len() + more.len() > MAX_LABELS, own.last()) {
                let message = format!("too many: with those of the block, `labels` takes at most {MAX_LABELS}");
                return Err(Error::new(last.value.span(), message));
            }
            own.splice(0..0, more);
        }
        Ok(())
    }

    /// The arguments as they would be written.
    pub(crate) fn written(&self) -> TokenStream {
        let list = |pairs: &[Pair]| {
            let (keys, values) = (pairs.iter().map(|pair| &pair.ident), pairs.iter().map(|pair| &pair.value));
            quote!((#(#keys = #values),*))
        };
        let Args { name, kind, component, items, bytes, items_from, error_if, krate, .. } = self;
        let mut written = TokenStream::new();
        written.extend(name.as_ref().map(|name| quote!(name = #name,)));
        written.extend(kind.as_ref().map(|kind| quote!(kind = #kind,)));
        written.extend(component.as_ref().map(|component| quote!(component = #component,)));
        written.extend(self.labels.as_deref().map(list).map(|labels| quote!(labels #labels,)));
        written.extend(self.fields.as_deref().map(list).map(|fields| quote!(fields #fields,)));
        written.extend(items.as_ref().map(|items| quote!(items = #items,)));
        written.extend(bytes.as_ref().map(|bytes| quote!(bytes = #bytes,)));
        written.extend(items_from.as_ref().map(|items_from| quote!(items_from = #items_from,)));
        written.extend(self.sample.map(|sample| quote!(sample = #sample,)));
        written.extend(self.record.map(Record::written).map(|record| quote!(record = #record,)));
        written.extend(error_if.as_ref().map(|error_if| quote!(error_if = #error_if,)));
        written.extend(krate.as_ref().map(|krate| quote!(crate = #krate,)));
        written
    }

    /// The labels, none if there are none.
    pub(crate) fn labels(&self) -> &[Pair] {
        self.labels.as_deref().unwrap_or_default()
    }

    /// The fields, none if there are none.
    pub(crate) fn fields(&self) -> &[Pair] {
        self.fields.as_deref().unwrap_or_default()
    }
}

fn once<T>(slot: &mut Option<T>, name: &Ident, parse: impl FnOnce() -> Result<T>) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(name.span(), format!("`{name}` is given twice; give each argument once")));
    }
    *slot = Some(parse()?);
    Ok(())
}

/// `= expression`
fn expression(input: ParseStream<'_>, name: &Ident) -> Result<Expr> {
    equals(input, name)?;
    input.parse()
}

fn equals(input: ParseStream<'_>, name: &Ident) -> Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        return Ok(());
    }
    Err(Error::new(name.span(), format!("`{name}` needs a value: `{name} = ..`")))
}

/// `= "text"`, neither empty nor over-long.
fn bounded_text(input: ParseStream<'_>, name: &Ident) -> Result<LitStr> {
    equals(input, name)?;
    let Ok(text) = input.parse::<LitStr>() else {
        return Err(input.error(format!("`{name}` must be a string literal: `{name} = \"..\"`")));
    };
    let bytes = text.value().len();
    if bytes == 0 || bytes > MAX_NAME_BYTES {
        let found = if bytes == 0 { "it is empty".to_owned() } else { format!("it has {bytes}") };
        return Err(Error::new(text.span(), format!("`{name}` must have 1 to {MAX_NAME_BYTES} bytes; {found}")));
    }
    Ok(text)
}

fn sample(input: ParseStream<'_>, name: &Ident) -> Result<u32> {
    const RANGE: &str = "`sample` must be an integer literal from 1 (every call is timed) to 1_000_000";
    equals(input, name)?;
    let literal = input.parse::<LitInt>().map_err(|error| Error::new(error.span(), RANGE))?;
    match literal.base10_parse::<u32>() {
        Ok(sample @ 1..=MAX_SAMPLE) => Ok(sample),
        _ => Err(Error::new(literal.span(), RANGE)),
    }
}

/// `(key = "text", key = expression)`
fn labels(input: ParseStream<'_>) -> Result<Vec<Pair>> {
    pairs(input, "labels", MAX_LABELS, |input| {
        let Ok(key) = input.call(Ident::parse_any) else {
            return Err(input.error("a label begins with its key, a plain word: `key = \"..\"`"));
        };
        let name = key.unraw().to_string();
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || name.starts_with("__") {
            return Err(Error::new(
                key.span(),
                format!(
                    "`{name}` cannot be a label: a key is made of the letters a-z and A-Z, digits and `_`, and does not \
                     start with `__`"
                ),
            ));
        }
        if !input.peek(Token![=]) {
            return Err(Error::new(
                key.span(),
                format!("a label needs a value: `{name} = \"..\"` or `{name} = expression`"),
            ));
        }
        input.parse::<Token![=]>()?;
        Ok((key, input.parse()?))
    })
}

/// `(argument, key = expression)`
fn fields(input: ParseStream<'_>) -> Result<Vec<Pair>> {
    pairs(input, "fields", MAX_FIELDS, |input| {
        let Ok(key) = input.call(Ident::parse_any) else {
            return Err(input.error("a field is the name of an argument, or `name = expression`"));
        };
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok((key, input.parse()?));
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            return Err(input.error("a field is the name of an argument, or `name = expression`"));
        }
        let value = Expr::Path(syn::ExprPath { attrs: Vec::new(), qself: None, path: key.clone().into() });
        Ok((key, value))
    })
}

fn pairs(
    input: ParseStream<'_>,
    what: &str,
    most: usize,
    one: impl Fn(ParseStream<'_>) -> Result<(Ident, Expr)>,
) -> Result<Vec<Pair>> {
    if !input.peek(syn::token::Paren) {
        return Err(input.error(format!("`{what}` takes a list: `{what}(..)`")));
    }
    let content;
    parenthesized!(content in input);
    let mut list: Vec<Pair> = Vec::new();
    while !content.is_empty() {
        let (key, value) = one(&content)?;
        let name = key.unraw().to_string();
        if list.iter().any(|pair| pair.key == name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice in `{what}`; give each key once")));
        }
        if list.len() == most {
            return Err(Error::new(key.span(), format!("too many: `{what}` takes at most {most}")));
        }
        list.push(Pair { key: name, ident: key, value: Rc::new(value) });
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    Ok(list)
}

/// The arguments of `#[track_operation]` on a function by itself.
pub(crate) struct FunctionArgs(pub(crate) Args);

impl Parse for FunctionArgs {
    fn parse(input: ParseStream<'_>) -> Result<FunctionArgs> {
        Args::parse(input, Place::Function).map(FunctionArgs)
    }
}

/// The arguments of `#[track_operations]`. A label of a block cannot name the arguments of its functions.
pub(crate) struct BlockArgs(pub(crate) Args);

impl Parse for BlockArgs {
    fn parse(input: ParseStream<'_>) -> Result<BlockArgs> {
        let args = Args::parse(input, Place::Block)?;
        match args.labels().iter().find(|pair| static_text(&pair.value).is_none()) {
            Some(pair) => {
                Err(Error::new(pair.value.span(), "a label of a whole block must be a string literal: `key = \"..\"`"))
            }
            None => Ok(BlockArgs(args)),
        }
    }
}

/// The text of a string literal, `None` for any other expression.
pub(crate) fn static_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(syn::ExprLit { attrs, lit: syn::Lit::Str(text) }) if attrs.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
