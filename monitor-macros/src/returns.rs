//! What the written return type says about how a function is to be tracked.
//!
//! Only its shape is looked at; the type is never written again. What the shape leaves open (an alias, an associated
//! type) is decided by the type itself, in `monitor_core::__private`.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericArgument, GenericParam, Generics, Path, PathArguments, ReturnType, TraitBound, Type, TypeParamBound};

use crate::tokens::{is_punct, mentions};

/// The shape of a return type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    /// `-> !`
    Never,
    /// A value that can be no `Result` and no future: `()`, a reference, a tuple, an array, a pointer.
    Plain,
    /// A value that may be a `Result`.
    Value,
    /// `-> impl Future<..>`
    Future,
    /// `-> impl Trait` of any other kind.
    Opaque,
    /// An `impl Fn(..)`, alone or in a tuple: a closure in the host's body is given its signature only where the
    /// function itself returns it.
    Callable,
    /// `Pin<Box<dyn Future<..>>>`, written out or by its usual name.
    BoxedFuture,
    /// A named type that may turn out to be a boxed future.
    Unknown,
}

impl Returns {
    pub(crate) fn of(output: &ReturnType, generics: &Generics) -> Returns {
        let ReturnType::Type(_, ty) = output else {
            return Returns::Plain;
        };
        match peeled(ty) {
            Type::Never(_) => Returns::Never,
            Type::Tuple(_) | Type::Array(_) if holds_callable(ty) => Returns::Callable,
            Type::Tuple(_) | Type::Reference(_) | Type::Array(_) | Type::Slice(_) | Type::Ptr(_) => Returns::Plain,
            Type::ImplTrait(bounds) if can_be_wrapped(&bounds.bounds) => Returns::Future,
            Type::ImplTrait(_) if holds_callable(ty) => Returns::Callable,
            Type::ImplTrait(_) => Returns::Opaque,
            Type::Path(path) if path.qself.is_some() => Returns::Unknown,
            Type::Path(path) => of_path(&path.path, generics),
            Type::Macro(_) => Returns::Unknown,
            _ => Returns::Value,
        }
    }
}

/// The type without parentheses and invisible groups.
fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peeled(&inner.elem),
        Type::Group(inner) => peeled(&inner.elem),
        _ => ty,
    }
}

fn of_path(path: &Path, generics: &Generics) -> Returns {
    let Some(last) = path.segments.last() else {
        return Returns::Value;
    };
    if path.segments.len() == 1 && is_type_parameter(generics, &last.ident.to_string()) {
        return Returns::Value;
    }
    let holds_impl = type_arguments(&last.arguments).any(mentions_impl);
    match last.ident.to_string().as_str() {
        "Pin" if !holds_impl && is_box_of_dyn_future(&last.arguments) => Returns::BoxedFuture,
        "BoxFuture" | "LocalBoxFuture" if !holds_impl => Returns::BoxedFuture,
        // These are no boxed futures whatever is in them.
        "Result" | "Option" | "Self" | "Box" | "Vec" | "String" | "Rc" | "Arc" | "Cow" | "HashMap" | "HashSet"
        | "BTreeMap" | "BTreeSet" | "VecDeque" | "PathBuf" | "Duration" | "Instant" | "bool" | "char" | "u8"
        | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "f32"
        | "f64"
            if path.segments.first().is_none_or(|first| path.segments.len() == 1 || first.ident != "Self") =>
        {
            Returns::Value
        }
        // An `impl Trait` inside must not be compared with a boxed future: that would decide what it is.
        _ if holds_impl => Returns::Value,
        _ => Returns::Unknown,
    }
}

fn is_type_parameter(generics: &Generics, name: &str) -> bool {
    generics.params.iter().any(|param| matches!(param, GenericParam::Type(param) if param.ident == name))
}

fn type_arguments(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn mentions_impl(ty: &Type) -> bool {
    mentions(ty.to_token_stream(), "impl")
}

/// `Box<dyn Future<..> + ..>`
fn is_box_of_dyn_future(arguments: &PathArguments) -> bool {
    let Some(Type::Path(boxed)) = type_arguments(arguments).next().map(peeled) else {
        return false;
    };
    let Some(last) = boxed.path.segments.last().filter(|last| last.ident == "Box") else {
        return false;
    };
    let Some(Type::TraitObject(object)) = type_arguments(&last.arguments).next().map(peeled) else {
        return false;
    };
    object.bounds.iter().any(is_future)
}

fn is_future(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound) if ends_with(&bound.path, &["Future"]))
}

/// Whether there is an `impl Fn(..)` in the type.
fn holds_callable(ty: &Type) -> bool {
    let callable = ["Fn", "FnMut", "FnOnce", "AsyncFn", "AsyncFnMut", "AsyncFnOnce"];
    let tokens = ty.to_token_stream();
    mentions(tokens.clone(), "impl") && callable.iter().any(|name| mentions(tokens.clone(), name))
}

/// `Fn(..) -> ..` of an `impl Fn(..) -> ..`, if it can be the bound of a `dyn`.
pub(crate) fn callable(ty: &Type) -> Option<&TraitBound> {
    let Type::ImplTrait(bounds) = peeled(ty) else {
        return None;
    };
    bounds.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound)
            if ends_with(&bound.path, &["Fn", "FnMut", "FnOnce"]) && !mentions(bound.to_token_stream(), "impl") =>
        {
            Some(bound)
        }
        _ => None,
    })
}

/// `-> Type` as it can stand in the body, of a future its output; nothing for a type without a name. The compiler finds
/// the lifetimes again: naming one in the body would answer lints that ask whether it needs a name.
pub(crate) fn in_the_body(output: &ReturnType) -> Option<TokenStream> {
    let tokens = match output {
        ReturnType::Type(arrow, ty) => match peeled(ty) {
            Type::ImplTrait(bounds) if can_be_wrapped(&bounds.bounds) => {
                let output = bounds.bounds.iter().find_map(output_of_future)?;
                quote!(#arrow #output)
            }
            _ => output.to_token_stream(),
        },
        ReturnType::Default => TokenStream::new(),
    };
    if mentions(tokens.clone(), "impl") {
        return None;
    }
    // Those that a `for<'a>` binds keep their names, and then all do.
    Some(if mentions(tokens.clone(), "for") { tokens } else { without_lifetimes(tokens) })
}

/// `T` of `Future<Output = T>`.
fn output_of_future(bound: &TypeParamBound) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = bound else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
        _ => None,
    })
}

fn without_lifetimes(tokens: TokenStream) -> TokenStream {
    let mut is_lifetime = false;
    let anonymous = |token: TokenTree| {
        let was_lifetime = std::mem::replace(&mut is_lifetime, is_punct(Some(&token), '\''));
        match token {
            TokenTree::Ident(name) if was_lifetime && name != "static" => Ident::new("_", name.span()).into(),
            TokenTree::Group(group) => {
                let mut anonymous = Group::new(group.delimiter(), without_lifetimes(group.stream()));
                anonymous.set_span(group.span());
                anonymous.into()
            }
            token => token,
        }
    };
    tokens.into_iter().map(anonymous).collect()
}

fn ends_with(path: &Path, names: &[&str]) -> bool {
    path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// Whether the bounds are those of a future, and of nothing that the tracked future would not be.
fn can_be_wrapped<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    let mut found = false;
    for bound in bounds {
        match bound {
            TypeParamBound::Trait(bound) if ends_with(&bound.path, &["Future"]) => found = true,
            TypeParamBound::Trait(bound) if ends_with(&bound.path, &["Send", "Sync", "Unpin", "Sized"]) => {}
            TypeParamBound::Lifetime(_) | TypeParamBound::PreciseCapture(_) => {}
            _ => return false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{Signature, parse_quote};

    #[track_caller]
    fn assert_returns(expected: Returns, signature: &Signature) {
        assert_eq!(Returns::of(&signature.output, &signature.generics), expected);
    }

    #[test]
    fn the_shape_decides() {
        assert_returns(Returns::Plain, &parse_quote!(fn f()));
        assert_returns(Returns::Plain, &parse_quote!(fn f() -> &str));
        assert_returns(Returns::Never, &parse_quote!(fn f() -> !));
        assert_returns(Returns::Value, &parse_quote!(fn f() -> io::Result<()>));
        assert_returns(Returns::Value, &parse_quote!(fn f<T>() -> T));
        assert_returns(Returns::Value, &parse_quote!(fn f() -> Self));
        assert_returns(Returns::Opaque, &parse_quote!(fn f() -> impl Iterator<Item = u8> + Send));
        assert_returns(Returns::Callable, &parse_quote!(fn f() -> impl for<'a> Fn(&'a str) -> &'a str + Send));
        assert_returns(Returns::Callable, &parse_quote!(fn f() -> (impl Fn(&str) -> usize, u8)));
        assert_returns(Returns::Value, &parse_quote!(fn f() -> Result<impl Iterator, E>));
    }

    #[test]
    fn futures_are_recognised_by_the_bounds_that_a_wrapper_can_keep() {
        assert_returns(Returns::Future, &parse_quote!(fn f() -> impl Future<Output = u8>));
        assert_returns(Returns::Future, &parse_quote!(fn f<'a>() -> impl std::future::Future<Output = u8> + Send + 'a));
        assert_returns(Returns::Future, &parse_quote!(fn f<T>() -> impl Future + use<T>));
        assert_returns(Returns::Opaque, &parse_quote!(fn f() -> impl Future<Output = u8> + Clone));
        assert_returns(Returns::Opaque, &parse_quote!(fn f() -> impl Future<Output = u8> + FusedFuture));
    }

    #[test]
    fn boxed_futures_are_recognised_or_left_to_the_type() {
        assert_returns(Returns::BoxedFuture, &parse_quote!(fn f() -> Pin<Box<dyn Future<Output = ()> + Send + '_>>));
        assert_returns(Returns::BoxedFuture, &parse_quote!(fn f() -> futures::future::BoxFuture<'static, u8>));
        assert_returns(Returns::Unknown, &parse_quote!(fn f() -> Self::Future));
        assert_returns(Returns::Unknown, &parse_quote!(fn f() -> <S as Service>::Result));
        assert_returns(Returns::Unknown, &parse_quote!(fn f() -> Reply));
        assert_returns(Returns::Value, &parse_quote!(fn f() -> Pin<Box<impl Future<Output = ()>>>));
    }

    #[test]
    fn a_type_with_a_name_is_written_in_the_body_without_lifetimes() {
        let in_the_body = |output: ReturnType| in_the_body(&output).map(|tokens| tokens.to_string());
        let expected = |output: TokenStream| Some(output.to_string());
        assert_eq!(in_the_body(parse_quote!()), Some(String::new()));
        assert_eq!(
            in_the_body(parse_quote!(-> Result<(&'a str, &'static T), Box<dyn E + 'b>, u8>)),
            expected(quote!(-> Result<(&'_ str, &'static T), Box<dyn E + '_>, u8>))
        );
        let bound = quote!(-> for<'a> fn(&'a u8) -> &'a u8);
        assert_eq!(in_the_body(parse_quote!(#bound)), expected(bound));
        assert_eq!(
            in_the_body(parse_quote!(-> impl Send + Future<Output = Option<&'a u8>>)),
            expected(quote!(-> Option<&'_ u8>))
        );
        assert_eq!(in_the_body(parse_quote!(-> Result<impl A, B>)), None);
        assert_eq!(in_the_body(parse_quote!(-> impl Future<Output = impl A>)), None);
    }

    #[test]
    fn the_signature_of_a_closure_is_found_among_other_bounds() {
        let callable = |ty: Type| callable(&ty).map(|bound| bound.to_token_stream().to_string());
        let bound = quote!(for<'a> FnMut(&'a str) -> usize);
        assert_eq!(callable(parse_quote!(impl Send + #bound + 'static)), Some(bound.to_string()));
        assert_eq!(callable(parse_quote!(impl Iterator<Item = u8>)), None);
        assert_eq!(callable(parse_quote!(impl AsyncFn(&str))), None);
        assert_eq!(callable(parse_quote!((impl Fn(&str), u8))), None);
        assert_eq!(callable(parse_quote!(Box<dyn Fn(&str)>)), None);
    }
}
