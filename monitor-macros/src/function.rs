//! A function as the attribute sees it: the tokens before the body as they were written, and the body unread.
//!
//! Only the signature is parsed, and only to be looked at: what is given back are the tokens that came in. An editor
//! expands the attribute while the body is half written, so nothing here depends on the body being complete.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Result, Signature, Token, Visibility};

use crate::tokens;

/// What `#[track_operation]` may stand on.
const ALLOWED: &str = "`#[track_operation]` goes on a function or method that has a body and is not `const`";

/// A function with a body.
pub(crate) struct Function {
    /// Everything before the body, unchanged.
    pub(crate) head: TokenStream,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
    /// `#![..]` at the start of the body.
    pub(crate) inner_attributes: TokenStream,
    /// The body without them, in the braces of the source.
    pub(crate) body: Group,
}

impl Function {
    /// Reads a function; what is none, or cannot be tracked, is an error that says what can.
    pub(crate) fn read(item: TokenStream) -> Result<Function> {
        let item = tokens::ungroup(item);
        let mut all: Vec<TokenTree> = item.into_iter().collect();
        let Some(last) = all.pop() else {
            return Err(Error::new(proc_macro2::Span::call_site(), ALLOWED));
        };
        let Some(body) = tokens::braces(&last) else {
            let has_fn = all.iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"));
            let why = if has_fn { "this one has no body" } else { "this is no function" };
            all.push(last);
            let item: TokenStream = all.into_iter().collect();
            return Err(Error::new_spanned(&item, format!("{ALLOWED}; {why}")));
        };
        let head: TokenStream = all.into_iter().collect();
        let (attributes, signature) = read_head.parse2(head.clone())?;
        if let Some(constant) = &signature.constness {
            return Err(Error::new(constant.span(), format!("{ALLOWED}; this one is `const`")));
        }
        if let Some(naked) = attributes.iter().find(|attribute| tokens::mentions(attribute.to_token_stream(), "naked"))
        {
            return Err(Error::new_spanned(naked, format!("{ALLOWED}; a naked function has no body of its own")));
        }
        let (inner_attributes, body) = tokens::split_inner_attributes(body);
        Ok(Function { head, attributes, signature, inner_attributes, body })
    }

    /// Whether the function has the attribute, plainly or inside `cfg_attr`.
    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| tokens::mentions(attribute.to_token_stream(), name))
    }

    /// Whether the body, put in a closure, must take the arguments it uses by value.
    ///
    /// A closure that borrows them leaves the order of drops, and lints on arguments passed by value, as they were. It
    /// does where nothing is `mut`. What is reached through a `mut` argument or a `&mut` one may be returned by the
    /// body, and a closure that borrows the argument itself (a `mut` one in every edition, a `&mut` one before 2021)
    /// could not let it out.
    pub(crate) fn takes_arguments(&self) -> bool {
        tokens::mentions(self.signature.inputs.to_token_stream(), "mut")
    }
}

fn read_head(input: ParseStream<'_>) -> Result<(Vec<Attribute>, Signature)> {
    let attributes = input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    input.parse::<Option<Token![default]>>()?;
    let start = input.fork();
    match input.parse::<Signature>() {
        Ok(signature) => Ok((attributes, signature)),
        // A broken signature gets the parser's error, anything else is told what belongs here.
        Err(error) if tokens::mentions(start.cursor().token_stream(), "fn") && !is_other_item(&start) => Err(error),
        Err(_) => {
            let what = if start.peek(Token![impl]) || start.peek(Token![mod]) || start.peek(Token![trait]) {
                "for all functions of a block use `#[track_operations]`"
            } else {
                "this is no function"
            };
            Err(Error::new(start.span(), format!("{ALLOWED}; {what}")))
        }
    }
}

fn is_other_item(input: ParseStream<'_>) -> bool {
    input.peek(Token![impl])
        || input.peek(Token![mod])
        || input.peek(Token![trait])
        || input.peek(Token![struct])
        || input.peek(Token![enum])
        || input.peek(Token![static])
        || input.peek(Token![type])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Group;
    use quote::quote;

    #[test]
    fn the_head_goes_out_as_it_came_in() {
        let item = quote!(
            #[inline]
            pub(crate) async unsafe fn f<'a, T: A>(self: &'a Self, (x, _): (u8, T)) -> impl B + 'a
            where
                T: C,
            {
                #![allow(d)]
                body
            }
        );
        let function = Function::read(item.clone()).unwrap();
        let Function { head, inner_attributes, body, .. } = &function;
        assert_eq!(quote!(#head { #inner_attributes body }).to_string(), item.to_string());
        assert_eq!(body.stream().to_string(), "body");
        assert!(function.has_attribute("inline") && !function.takes_arguments());
    }

    #[test]
    fn a_half_written_body_is_no_error() {
        for body in [quote!(let x = ;), quote!(foo.), quote!(match x { A => }), quote!(a b =>)] {
            let function = Function::read(quote!(fn f() -> Result<(), E> { #body })).unwrap();
            let args = crate::args::Args::default();
            let tracked = crate::expand::function(quote!(), &function, &args).unwrap().to_string();
            assert!(tracked.contains(&body.to_string()), "{tracked}");
        }
    }

    #[test]
    fn an_item_from_a_macro_is_seen_through_its_invisible_group() {
        let item = Group::new(
            proc_macro2::Delimiter::None,
            quote!(
                fn f() {
                    a
                }
            ),
        );
        assert!(Function::read(quote!(#item)).is_ok());
        let body = Group::new(proc_macro2::Delimiter::None, quote!({ a }));
        assert!(Function::read(quote!(fn f() #body)).is_ok());
    }

    #[test]
    fn what_cannot_be_tracked_is_told_what_can() {
        for item in [
            quote!(
                const fn f() {}
            ),
            quote!(
                fn f();
            ),
            quote!(
                struct A;
            ),
            quote!(impl A { fn f() {} }),
            quote!(
                #[unsafe(naked)]
                extern "C" fn f() {
                    asm
                }
            ),
            quote!(),
        ] {
            let error = Function::read(item.clone()).err().unwrap_or_else(|| panic!("{item} was taken"));
            assert!(error.to_string().starts_with(ALLOWED), "{error}");
        }
    }
}
