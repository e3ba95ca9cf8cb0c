//! Small questions about tokens that need no parser.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The tokens without the invisible groups that `macro_rules` puts around what it was given as a whole.
pub(crate) fn ungroup(tokens: TokenStream) -> TokenStream {
    let mut iter = tokens.clone().into_iter();
    match (iter.next(), iter.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => ungroup(group.stream()),
        _ => tokens,
    }
}

/// The group if the token is one in braces, seen through invisible groups.
pub(crate) fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut inner = group.stream().into_iter();
            match (inner.next(), inner.next()) {
                (Some(only), None) => braces(&only),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether the token is this punctuation character.
pub(crate) fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether the token is this word.
pub(crate) fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

/// Whether the token is a group with this delimiter.
pub(crate) fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

/// Whether the word stands anywhere in the tokens, at any depth.
pub(crate) fn mentions(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        _ => false,
    })
}

/// The `#![..]` at the start of a body, and the body without them. A body without any is given back as it is, with
/// the places of both its braces.
pub(crate) fn split_inner_attributes(body: Group) -> (TokenStream, Group) {
    let all: Vec<TokenTree> = body.stream().into_iter().collect();
    let mut end = 0;
    while is_punct(all.get(end), '#')
        && is_punct(all.get(end + 1), '!')
        && is_group(all.get(end + 2), Delimiter::Bracket)
    {
        end += 3;
    }
    if end == 0 {
        return (TokenStream::new(), body);
    }
    let mut rest = Group::new(Delimiter::Brace, all[end..].iter().cloned().collect());
    rest.set_span(body.span());
    (all.into_iter().take(end).collect(), rest)
}
