//! Tests of the arguments; what a mistake looks like to a user is shown by the compile tests of the workspace.

use std::time::Duration;

use quote::quote;

use super::*;
use crate::record::Record;

fn function(tokens: TokenStream) -> Result<Args> {
    syn::parse2::<FunctionArgs>(tokens).map(|args| args.0)
}

fn refused(tokens: TokenStream) -> String {
    let text = tokens.to_string();
    let error = function(tokens).err().unwrap_or_else(|| panic!("{text} was taken"));
    assert_eq!(error.clone().into_iter().count(), 1, "one error for {text}");
    error.to_string()
}

fn keys(pairs: &[Pair]) -> Vec<&str> {
    pairs.iter().map(|pair| pair.key.as_str()).collect()
}

#[test]
fn nothing_is_given_by_default() {
    let args = function(quote!()).unwrap();
    assert!(args.name.is_none() && args.labels().is_empty() && args.fields().is_empty() && args.sample.is_none());
}

#[test]
fn every_argument_is_read() {
    let args = function(quote!(
        name = "a", kind = "b", component = "c",
        labels(d = "e", type = x.y(1, 2)), fields(f, r#type = g + 1, self),
        items = h.len(), bytes = i, items_from = |j, k| j + k,
        sample = 1_000, record = "slow(250ms)", error_if = is_bad, crate = other::core,
    ))
    .unwrap();
    assert_eq!(args.name.as_ref().unwrap().value(), "a");
    assert_eq!(args.kind.as_ref().unwrap().value(), "b");
    assert_eq!(args.component.as_ref().unwrap().value(), "c");
    assert_eq!(keys(args.labels()), ["d", "type"]);
    assert_eq!(keys(args.fields()), ["f", "type", "self"]);
    assert!(args.items.is_some() && args.bytes.is_some() && args.items_from.is_some() && args.error_if.is_some());
    assert_eq!(args.sample, Some(1_000));
    assert_eq!(args.record, Some(Record::Slow(Duration::from_millis(250))));
    assert_eq!(args.krate.as_ref().map(|path| path.segments.len()), Some(2));
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let tokens = quote!(
        name = "a",
        kind = "b",
        component = "c",
        labels(d = "e"),
        fields(f, r#type = g + 1),
        items = h,
        bytes = i,
        items_from = |j| j.k(),
        sample = 4,
        record = "errors",
        error_if = l,
        crate = m
    );
    let written = function(tokens).unwrap().written();
    assert_eq!(function(written.clone()).unwrap().written().to_string(), written.to_string());
    assert!(written.to_string().contains("r#type = g + 1"), "{written}");
}

#[test]
fn every_argument_is_taken_once() {
    for once in [
        quote!(name = "a"),
        quote!(kind = "a"),
        quote!(component = "a"),
        quote!(labels(a = "1")),
        quote!(fields(a)),
        quote!(items = 1),
        quote!(bytes = 1),
        quote!(items_from = f),
        quote!(sample = 1),
        quote!(record = "all"),
        quote!(error_if = f),
        quote!(crate = a),
    ] {
        assert!(refused(quote!(#once, #once)).contains("is given twice"), "{once}");
    }
}

#[test]
fn an_unknown_argument_is_told_the_known_ones() {
    let error = refused(quote!(nmae = "a"));
    assert!(error.starts_with("unknown argument `nmae`"), "{error}");
    for name in Place::Function.allowed() {
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    assert!(refused(quote!(skip)).contains("only for functions inside"));
    assert!(refused(quote!("name")).contains("begins with its name"));
}

#[test]
fn lengths_and_ranges_are_kept() {
    let (longest, too_long) = ("a".repeat(200), "a".repeat(201));
    assert!(function(quote!(name = #longest, kind = #longest, component = #longest)).is_ok());
    assert!(refused(quote!(name = #too_long)).contains("it has 201"));
    assert!(refused(quote!(kind = "")).contains("it is empty"));
    assert!(function(quote!(sample = 1)).is_ok() && function(quote!(sample = 1_000_000)).is_ok());
    for sample in [quote!(0), quote!(1_000_001), quote!(5_000_000_000), quote!(1.5), quote!("5"), quote!(N)] {
        assert!(refused(quote!(sample = #sample)).contains("from 1"), "{sample}");
    }
}

#[test]
fn label_keys_are_those_that_prometheus_can_carry() {
    for key in [quote!(a), quote!(_a), quote!(A9_), quote!(r#type)] {
        assert!(function(quote!(labels(#key = "1"))).is_ok(), "{key}");
    }
    for key in [quote!(__a), quote!(é), quote!("a"), quote!(9), quote!(a.b)] {
        assert!(function(quote!(labels(#key = "1"))).is_err(), "{key}");
    }
}

#[test]
fn lists_are_bounded_and_have_no_key_twice() {
    let labels = |count: usize| {
        let keys = (0..count).map(|n| Ident::new(&format!("k{n}"), Span::call_site()));
        quote!(labels(#(#keys = "1"),*))
    };
    assert_eq!(function(labels(8)).unwrap().labels().len(), 8);
    assert!(refused(labels(9)).contains("at most 8"));
    let fields = |count: usize| {
        let keys = (0..count).map(|n| Ident::new(&format!("k{n}"), Span::call_site()));
        quote!(fields(#(#keys),*))
    };
    assert_eq!(function(fields(16)).unwrap().fields().len(), 16);
    assert!(refused(fields(17)).contains("at most 16"));
    assert!(refused(quote!(labels(a = "1", a = x))).contains("`a` is given twice"));
    assert!(refused(quote!(fields(a, r#a = 1))).contains("`a` is given twice"));
}

#[test]
fn a_function_wins_over_its_block() {
    let block =
        syn::parse2::<BlockArgs>(quote!(kind = "b", sample = 2, record = "all", labels(x = "1", y = "2"))).unwrap().0;
    let mut args = function(quote!(kind = "own", labels(y = "3"))).unwrap();
    args.inherit(&block).unwrap();
    assert_eq!(args.kind.as_ref().unwrap().value(), "own");
    assert_eq!((args.sample, args.record), (Some(2), Some(Record::All)));
    assert_eq!(keys(args.labels()), ["x", "y"]);
    assert_eq!(static_text(&args.labels()[1].value).unwrap().value(), "3");
}

#[test]
fn a_block_takes_only_what_suits_all_its_functions() {
    for tokens in [quote!(name = "a"), quote!(fields(a)), quote!(items = 1), quote!(skip), quote!(labels(a = b))] {
        assert!(syn::parse2::<BlockArgs>(tokens.clone()).is_err(), "{tokens}");
    }
}
