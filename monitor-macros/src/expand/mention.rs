//! What clippy is shown where the arguments use something of the program: the function as it was written, and at the
//! start of its body, in a closure that nobody calls, what the arguments use.
//!
//! Without the closure that something could seem unused. It holds the very expansion of the attribute, only around a
//! body that gives a value from nowhere; so what the arguments say is checked, borrowed and looked into as in the tracked
//! function. A `return` in the body itself would tie the type of that value without naming it, but would count among the
//! values that the function gives; so here the written return type is written once more.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

use syn::{Block, Stmt};

use super::{Expansion, Form, in_braces};
use crate::args::Args;
use crate::boxed;
use crate::function::Function;
use crate::returns::{Returns, in_the_body};
use crate::site::Site;
use crate::tokens::{is_group, is_punct, is_word, mentions};

/// The function as written with the mention in it. `None` where an argument asks for the returned value and its type is
/// an `impl Trait`, which has no name.
pub(super) fn beside_the_body(function: &Function, args: &Args) -> Option<TokenStream> {
    let Function { head, inner_attributes, body, .. } = function;
    let mention = mention(function, args)?;
    let body = match future_alone(function, args) {
        Some((before, block)) => {
            let block = beside(&mention, &block);
            in_braces(body.span(), quote_spanned!(Span::mixed_site()=> #inner_attributes #before #block))
        }
        None => beside(&quote_spanned!(Span::mixed_site()=> #inner_attributes #mention), body),
    };
    Some(quote_spanned!(Span::mixed_site()=> #head #body))
}

/// The block with something at its start. If there are items in it, they keep a block of their own: they do not come
/// after a statement, and the arguments do not see them. Without any, it would have a pair of braces too many.
fn beside(before: &TokenStream, block: &Group) -> Group {
    let is_item = |statement: &Stmt| matches!(statement, Stmt::Item(_));
    let has_items = syn::parse2::<Block>(block.to_token_stream()).is_ok_and(|block| block.stmts.iter().any(is_item));
    let rest = if has_items { block.to_token_stream() } else { block.stream() };
    in_braces(block.span(), quote_spanned!(Span::mixed_site()=> #before #rest))
}

/// `async move` and its block, if there is nothing else in the body: a statement before it would hide from clippy that
/// the function could be an `async fn`. The mention then goes into the block, if that takes in nothing more by it.
fn future_alone(function: &Function, args: &Args) -> Option<(TokenStream, Group)> {
    let mut tokens: Vec<TokenTree> = function.body.stream().into_iter().collect();
    if !boxed::is_async_block(&tokens) {
        return None;
    }
    let Some(TokenTree::Group(block)) = tokens.pop() else {
        return None;
    };
    let before: TokenStream = tokens.into_iter().collect();
    let inputs = function.signature.inputs.to_token_stream();
    let takes = mentions(before.clone(), "move");
    let is_taken = |name: &str| !mentions(inputs.clone(), name) || takes && is_taken_whole(block.stream(), name);
    all_are_whole(args.written(), &is_taken).then_some((before, block))
}

/// Whether every name is one of which `fits`, and no part of a value is named alone: a block that takes a part need not
/// take another.
fn all_are_whole(tokens: TokenStream, fits: &dyn Fn(&str) -> bool) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().all(|(place, token)| match token {
        TokenTree::Group(group) => all_are_whole(group.stream(), fits),
        TokenTree::Ident(name) => fits(&name.to_string()) && !begins_part(&tokens[place + 1..]),
        _ => true,
    })
}

/// Whether the name stands somewhere for more than a part of the value.
fn is_taken_whole(tokens: TokenStream, name: &str) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().any(|(place, token)| match token {
        TokenTree::Group(group) => is_taken_whole(group.stream(), name),
        _ => is_word(Some(token), name) && !begins_part(&tokens[place + 1..]),
    })
}

/// Whether what follows a name is a field, and neither a method nor `.await` nor the end of a range.
fn begins_part(rest: &[TokenTree]) -> bool {
    is_punct(rest.first(), '.')
        && !is_punct(rest.get(1), '.')
        && !is_word(rest.get(1), "await")
        && !is_group(rest.get(2), Delimiter::Parenthesis)
}

fn mention(function: &Function, args: &Args) -> Option<TokenStream> {
    let site = Site::new(args);
    let private = site.private.clone();
    let output = &function.signature.output;
    let reads_value = (args.items_from.is_some() || args.error_if.is_some())
        && Returns::of(output, &function.signature.generics) != Returns::Never;
    if !reads_value {
        let prepare = site.prepare();
        return Some(quote_spanned! {Span::mixed_site()=>
            let _ = || {
                #prepare
                #private::Return::<()>::new()
            };
        });
    }
    let is_future = Returns::of(output, &function.signature.generics) == Returns::Future;
    let output = in_the_body(output)?;
    let nothing = quote_spanned!(Span::mixed_site()=> #private::Return::new().never());
    let form = match Form::of(function, args) {
        Form::Boxed(_) => Form::Boxed(boxed::Tail::find(
            quote_spanned!(Span::mixed_site()=> ::std::boxed::Box::pin(async { #nothing })),
            true,
        )?),
        Form::ByType => Form::ByType,
        _ => Form::Closure,
    };
    let nowhere = in_braces(Span::mixed_site(), nothing);
    let expansion = Expansion { function, body: &nowhere, args, site };
    let expansion = if is_future { expansion.closure(Returns::Value) } else { expansion.expanded(&form) };
    Some(quote_spanned!(Span::mixed_site()=> let _ = || #output { #expansion };))
}
