//! `#[track_operations]`: every function of an `impl` block, a trait or an inline module.
//!
//! The block is cut into items by its tokens; bodies are never parsed, so that a half-written one disturbs nobody.
//! What is not a function goes through as it came.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::parse::ParseStream;
use syn::{Attribute, Error, Meta, Result};

use crate::args::{Args, Place};
use crate::function::Function;
use crate::order;
use crate::tokens::{self, is_group, is_punct, is_word};

const ALLOWED: &str = "`#[track_operations]` goes on an `impl` block, a trait or an inline module; on one function use \
                       `#[track_operation]`";

/// The block with its functions tracked, or, with `enabled` false, only checked.
pub(crate) fn expand(block: &Args, item: TokenStream, enabled: bool) -> Result<TokenStream> {
    let all: Vec<TokenTree> = tokens::ungroup(item).into_iter().collect();
    let Some(body) = container_body(&all) else {
        return Err(Error::new_spanned(all.into_iter().collect::<TokenStream>(), ALLOWED));
    };
    let whole: TokenStream = all.iter().cloned().collect();
    let (attributes, _) = order::split_attributes(whole.clone())?;
    if enabled && !block.moved && order::has_rewriting(&attributes) {
        return order::moved_to_the_end(whole, block.krate.as_deref(), "track_operations", &block.written());
    }
    let mut output: TokenStream = all[..all.len() - 1].iter().cloned().collect();
    output.append(inside(&body, block, enabled));
    Ok(output)
}

/// The braces of an `impl` block, trait or inline module.
fn container_body(item: &[TokenTree]) -> Option<Group> {
    let body = tokens::braces(item.last()?)?;
    match keyword(item)?.as_str() {
        "impl" | "mod" | "trait" => Some(body),
        _ => None,
    }
}

/// The word that says what an item is, behind attributes, visibility and modifiers; `fn` for every function.
fn keyword(item: &[TokenTree]) -> Option<String> {
    let mut tokens = item.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                tokens.next();
            }
            // `pub(crate)`, the invisible group of a `$vis`, the ABI of an `extern "C" fn`.
            TokenTree::Group(_) | TokenTree::Literal(_) => {}
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "pub" | "unsafe" | "safe" | "default" | "async" | "auto" => {}
                // Of a function, or an item by itself.
                "const" | "extern" => {
                    let is_function = matches!(tokens.peek(), Some(TokenTree::Literal(_)))
                        || ["fn", "unsafe", "async", "extern", "safe"]
                            .iter()
                            .any(|next| is_word(tokens.peek().copied(), next));
                    let is_function = is_function && item.iter().any(|token| is_word(Some(token), "fn"));
                    if !is_function {
                        return Some(word.to_string());
                    }
                }
                other => return Some(other.to_owned()),
            },
            TokenTree::Punct(_) => return None,
        }
    }
    None
}

/// The braces with every function inside tracked.
fn inside(body: &Group, block: &Args, enabled: bool) -> Group {
    let mut output = TokenStream::new();
    for item in items(body.stream()) {
        match one(&item, block, enabled) {
            Ok(tokens) => output.extend(tokens),
            Err(error) => {
                output.extend(error.to_compile_error());
                output.extend(without_own(item.into_iter().collect()));
            }
        }
    }
    let mut group = Group::new(Delimiter::Brace, output);
    group.set_span(body.span());
    group
}

fn one(item: &[TokenTree], block: &Args, enabled: bool) -> Result<TokenStream> {
    if let Some(body) = container_body(item) {
        // A block with an attribute of its own is expanded by that.
        let head = &item[..item.len() - 1];
        if head.iter().any(|token| tokens::mentions(token.clone().into(), "track_operations")) {
            return Ok(item.iter().cloned().collect());
        }
        let mut output: TokenStream = head.iter().cloned().collect();
        output.append(inside(&body, block, enabled));
        return Ok(output);
    }
    let whole: TokenStream = item.iter().cloned().collect();
    if keyword(item).as_deref() != Some("fn") {
        return Ok(whole);
    }
    let has_body = item.last().is_some_and(|last| tokens::braces(last).is_some());
    let (own, item) = match own_attribute(&whole)? {
        Own::None if !has_body => return Ok(whole),
        Own::Conditional => return Ok(whole),
        Own::None => (None, whole),
        Own::Given(args, item) => (Some(*args), item),
    };
    if own.as_ref().is_some_and(|args| args.skip.is_some()) {
        return Ok(item);
    }
    let function = match Function::read(item.clone()) {
        // What was not asked for by name is left out silently: a `const fn`, a test.
        Ok(function) if own.is_none() && is_test(&function) => return Ok(item),
        Err(_) if own.is_none() => return Ok(item),
        read => read?,
    };
    let mut args = own.unwrap_or_default();
    args.inherit(block)?;
    if enabled { crate::expand::function(item, &function, &args) } else { Ok(item) }
}

/// The attribute that a function has of its own.
enum Own {
    None,
    /// In a `cfg_attr`: whether it is there is not known yet, and it expands by itself.
    Conditional,
    /// Its arguments, and the function without it.
    Given(Box<Args>, TokenStream),
}

fn own_attribute(item: &TokenStream) -> Result<Own> {
    let (attributes, rest) = order::split_attributes(item.clone())?;
    let mut own = None;
    let mut others = TokenStream::new();
    for attribute in attributes {
        if attribute.path().segments.last().is_none_or(|last| last.ident != "track_operation") {
            if attribute.path().is_ident("cfg_attr") && tokens::mentions(attribute.to_token_stream(), "track_operation")
            {
                return Ok(Own::Conditional);
            }
            attribute.to_tokens(&mut others);
            continue;
        }
        if own.is_some() {
            return Err(Error::new_spanned(attribute, "`#[track_operation]` is given twice; give it once"));
        }
        own = Some(match &attribute.meta {
            Meta::Path(_) => Args::default(),
            _ => attribute.parse_args_with(|input: ParseStream<'_>| Args::parse(input, Place::Inside))?,
        });
    }
    Ok(match own {
        None => Own::None,
        Some(args) => {
            others.extend(rest);
            Own::Given(Box::new(args), others)
        }
    })
}

/// The item without its own attribute, whose mistake has been reported.
fn without_own(item: TokenStream) -> TokenStream {
    let Ok((attributes, rest)) = order::split_attributes(item.clone()) else {
        return item;
    };
    let keep =
        |attribute: &Attribute| attribute.path().segments.last().is_none_or(|last| last.ident != "track_operation");
    let mut output: TokenStream = attributes.into_iter().filter(keep).map(ToTokens::into_token_stream).collect();
    output.extend(rest);
    output
}

/// `#[test]`, `#[tokio::test]`, `#[bench]` and their like: a test is no operation of the program.
fn is_test(function: &Function) -> bool {
    function.attributes.iter().any(|attribute| {
        attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| ["test", "bench", "rstest", "test_case"].iter().any(|name| last.ident == name))
    })
}

/// The items of a block, each with its attributes; inner attributes come out as items of their own.
fn items(body: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut items = Vec::new();
    let mut item: Vec<TokenTree> = Vec::new();
    let mut angles = 0_usize;
    for token in body {
        let after_arrow = is_punct(item.last(), '-') || is_punct(item.last(), '=');
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == '<' => angles += 1,
            TokenTree::Punct(punct) if punct.as_char() == '>' && !after_arrow => angles = angles.saturating_sub(1),
            _ => {}
        }
        let ends = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                // Braces of a const generic argument, of a value or of an import end nothing.
                angles == 0 && !matches!(keyword(&item).as_deref(), Some("const" | "static" | "type" | "use" | "let"))
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => item.is_empty() && is_item(group),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => is_inner_attribute(&item),
            _ => false,
        };
        item.push(token);
        if ends {
            angles = 0;
            items.push(std::mem::take(&mut item));
        }
    }
    if !item.is_empty() {
        items.push(item);
    }
    items
}

fn is_inner_attribute(before: &[TokenTree]) -> bool {
    before.len() == 2 && is_punct(before.first(), '#') && is_punct(before.get(1), '!')
}

/// Whether an invisible group is a whole item (`$item`), not a visibility.
fn is_item(group: &Group) -> bool {
    group
        .stream()
        .into_iter()
        .last()
        .is_some_and(|last| is_punct(Some(&last), ';') || is_group(Some(&last), Delimiter::Brace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn count(body: TokenStream) -> usize {
        items(body).len()
    }

    #[test]
    fn a_block_is_cut_into_its_items() {
        assert_eq!(
            count(quote!(#![allow(x)] #[doc = "a"] pub fn f() {} const A: S = S { a: 1 }; type T = u8; fn g();)),
            5
        );
        assert_eq!(
            count(quote!(
                fn f<const N: usize>() -> A<{ N + 1 }> {
                    x
                }
                fn g() -> impl Fn(u8) -> u8 {
                    y
                }
            )),
            2
        );
        assert_eq!(
            count(quote!(use a::{b, c}; mod m { fn f() {} } impl A { fn f() {} } mac! { a } mac!(b); struct S {})),
            6
        );
        assert_eq!(
            count(quote!(
                const fn f() {}
                const unsafe fn g() {}
                extern "C" fn h() {}
                pub(crate) async fn i() {}
            )),
            4
        );
    }

    #[test]
    fn the_keyword_is_found_behind_modifiers() {
        let of = |tokens: TokenStream| keyword(&tokens.into_iter().collect::<Vec<_>>());
        assert_eq!(
            of(quote!(
                #[a]
                pub(crate) async unsafe fn f() {}
            ))
            .as_deref(),
            Some("fn")
        );
        assert_eq!(
            of(quote!(
                pub unsafe extern "C" fn f() {}
            ))
            .as_deref(),
            Some("fn")
        );
        assert_eq!(
            of(quote!(
                const fn f() {}
            ))
            .as_deref(),
            Some("fn")
        );
        assert_eq!(
            of(quote!(
                const A: u8 = 1;
            ))
            .as_deref(),
            Some("const")
        );
        assert_eq!(of(quote!(unsafe impl A {})).as_deref(), Some("impl"));
        assert_eq!(
            of(quote!(
                extern "C" {
                    fn f();
                }
            ))
            .as_deref(),
            Some("extern")
        );
    }

    #[test]
    fn the_own_attribute_is_taken_off_under_any_path() {
        let item = quote!(
            #[inline]
            #[monitor_core::track_operation(skip)]
            fn f() {}
        );
        let Ok(Own::Given(args, rest)) = own_attribute(&item) else { panic!("not found") };
        assert!(args.skip.is_some());
        assert_eq!(
            rest.to_string(),
            quote!(
                #[inline]
                fn f() {}
            )
            .to_string()
        );
        assert!(matches!(
            own_attribute(&quote!(
                #[cfg_attr(a, track_operation)]
                fn f() {}
            )),
            Ok(Own::Conditional)
        ));
        assert!(
            own_attribute(&quote!(
                #[track_operation]
                #[track_operation]
                fn f() {}
            ))
            .is_err()
        );
    }
}
