//! Bodies that must stay where they are: in a closure, `Location::caller()` of a `#[track_caller]` function would name
//! the closure's caller.
//!
//! The values of the function's own `return`s and of its last expression are passed through the reading of the
//! outcome, and those that its `?`s return. Ways out that cannot be seen here (what a macro makes, or has among its
//! arguments) leave the guard without a verdict; it then reads them by the return type.

use proc_macro2::{Group, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAsync, ExprClosure, ExprConst, ExprReturn, Item, MacroDelimiter, Stmt, TraitBound, Type};

use crate::returns::callable;

/// From a value to what is returned instead of it.
pub(crate) type Read<'a> = &'a dyn Fn(TokenStream) -> TokenStream;

/// From a value and the place of the `?` behind it to what stands for both.
pub(crate) type Question<'a> = &'a dyn Fn(TokenStream, Span) -> TokenStream;

/// The statements of a body with `read` around every value it returns, `last` around that of its last expression, and
/// `question` for every `?` of its own. Those of a body that is not complete yet are given back as they are.
pub(crate) fn rewritten(body: &Group, read: Read<'_>, last: Read<'_>, question: Option<Question<'_>>) -> TokenStream {
    let Ok(mut block) = syn::parse2::<Block>(body.to_token_stream()) else {
        return body.stream();
    };
    let mut returns = Returns { read, question };
    returns.visit_block_mut(&mut block);
    match block.stmts.pop() {
        Some(Stmt::Expr(value, None)) if !matches!(value, Expr::Return(_)) => {
            block.stmts.push(Stmt::Expr(Expr::Verbatim(last(value.into_token_stream())), None));
        }
        Some(Stmt::Macro(value))
            if value.semi_token.is_none() && !matches!(value.mac.delimiter, MacroDelimiter::Brace(_)) =>
        {
            let value = value.into_token_stream();
            block.stmts.push(Stmt::Expr(Expr::Verbatim(last(value)), None));
        }
        Some(other) => block.stmts.push(other),
        None => {}
    }
    let Block { stmts, .. } = block;
    quote!(#(#stmts)*)
}

/// From a closure and the bound that is expected of it to what stands for it.
pub(crate) type Shape<'a> = &'a dyn Fn(TokenStream, &TraitBound) -> TokenStream;

/// The statements of a body with `shape` around every closure that stands where the function returns an `impl Fn(..)`,
/// alone or in a tuple.
pub(crate) fn shaped(body: &Group, output: &Type, shape: Shape<'_>) -> TokenStream {
    let Ok(mut block) = syn::parse2::<Block>(body.to_token_stream()) else {
        return body.stream();
    };
    Closures { output, shape }.visit_block_mut(&mut block);
    shape_last(&mut block, output, shape);
    let Block { stmts, .. } = block;
    quote!(#(#stmts)*)
}

/// Shapes the closures that the function's own `return`s give.
struct Closures<'a> {
    output: &'a Type,
    shape: Shape<'a>,
}

impl VisitMut for Closures<'_> {
    fn visit_expr_return_mut(&mut self, node: &mut ExprReturn) {
        visit_mut::visit_expr_return_mut(self, node);
        if let Some(value) = &mut node.expr {
            shape_value(value, self.output, self.shape);
        }
    }

    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}

    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Only closures are shaped: behind an expression that never ends, anything of ours would count as unreachable.
fn shape_value(value: &mut Expr, output: &Type, shape: Shape<'_>) {
    match value {
        Expr::Closure(_) => {
            if let Some(bound) = callable(output) {
                *value = Expr::Verbatim(shape(value.to_token_stream(), bound));
            }
        }
        Expr::Tuple(values) => {
            if let Type::Tuple(types) = output {
                values.elems.iter_mut().zip(&types.elems).for_each(|(value, ty)| shape_value(value, ty, shape));
            }
        }
        Expr::Block(inner) if inner.label.is_none() => shape_last(&mut inner.block, output, shape),
        Expr::Unsafe(inner) => shape_last(&mut inner.block, output, shape),
        Expr::Paren(inner) => shape_value(&mut inner.expr, output, shape),
        Expr::If(inner) => {
            shape_last(&mut inner.then_branch, output, shape);
            if let Some((_, other)) = &mut inner.else_branch {
                shape_value(other, output, shape);
            }
        }
        Expr::Match(inner) => inner.arms.iter_mut().for_each(|arm| shape_value(&mut arm.body, output, shape)),
        _ => {}
    }
}

fn shape_last(block: &mut Block, output: &Type, shape: Shape<'_>) {
    if let Some(Stmt::Expr(last, None)) = block.stmts.last_mut() {
        shape_value(last, output, shape);
    }
}

/// Rewrites the `return`s and `?`s that leave this function, and no other's.
struct Returns<'a> {
    read: Read<'a>,
    question: Option<Question<'a>>,
}

impl VisitMut for Returns<'_> {
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        visit_mut::visit_expr_mut(self, node);
        if let (Expr::Try(tried), Some(question)) = (&*node, self.question) {
            *node = Expr::Verbatim(question(tried.expr.to_token_stream(), tried.question_token.span));
        }
    }

    fn visit_expr_return_mut(&mut self, node: &mut ExprReturn) {
        visit_mut::visit_expr_return_mut(self, node);
        if let Some(value) = node.expr.take() {
            node.expr = Some(Box::new(Expr::Verbatim((self.read)(quote!(#value)))));
        }
    }

    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}

    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Delimiter;

    fn rewrite(body: TokenStream) -> String {
        let group = Group::new(Delimiter::Brace, body);
        let question = |value, _| quote!(ask(#value));
        let last = |value| quote!(last(#value));
        rewritten(&group, &|value| quote!(read(#value)), &last, Some(&question)).to_string()
    }

    #[test]
    fn own_returns_and_the_last_expression_are_read() {
        let body = quote!(for x in y { if x { return Ok(1); } } Err(2));
        assert_eq!(rewrite(body), quote!(for x in y { if x { return read(Ok(1)); } } last(Err(2))).to_string());
    }

    #[test]
    fn returns_of_inner_functions_are_theirs() {
        let body = quote!(let f = |x| return x; fn g() -> u8 { return 1; } let a = async { return 2; }; return f(a););
        let expected =
            quote!(let f = |x| return x; fn g() -> u8 { return 1; } let a = async { return 2; }; return read(f(a)););
        assert_eq!(rewrite(body), expected.to_string());
    }

    #[test]
    fn own_question_marks_are_asked_and_those_of_inner_functions_are_theirs() {
        let body = quote!(let a = b()?.c?; let f = |d| d?; let g = async { e()? }; h!(i()?); return Ok(j()?););
        let expected = quote!(
            let a = ask(ask(b()).c); let f = |d| d?; let g = async { e()? }; h!(i()?); return read(Ok(ask(j())));
        );
        assert_eq!(rewrite(body), expected.to_string());
        let untouched = quote!(let a = b()?;);
        let group = Group::new(Delimiter::Brace, untouched.clone());
        assert_eq!(rewritten(&group, &|value| value, &|value| value, None).to_string(), untouched.to_string());
    }

    #[test]
    fn closures_are_shaped_where_they_are_returned() {
        let body = quote!(
            let f = |a| a; if b { return |c| c; }
            match d { e => { let g = |h| h; move |i| i } j if k => |l| l, m => { n() } o => (panic!()) }
        );
        let output: Type = syn::parse_quote!(impl Fn(u8) -> u8);
        let expected = quote!(
            let f = |a| a; if b { return shape(|c| c); }
            match d { e => { let g = |h| h; shape(move |i| i) } j if k => shape(|l| l), m => { n() } o => (panic!()) }
        );
        let group = Group::new(Delimiter::Brace, body);
        let shape = |value: TokenStream, _: &TraitBound| quote!(shape(#value));
        assert_eq!(shaped(&group, &output, &shape).to_string(), expected.to_string());
        let group = Group::new(Delimiter::Brace, quote!((|a| a, |b| b, |c| c)));
        let output = syn::parse_quote!((impl Fn(u8) -> u8, fn(u8), (impl FnOnce())));
        let expected = quote!((shape(|a| a), |b| b, shape(|c| c)));
        assert_eq!(shaped(&group, &output, &shape).to_string(), expected.to_string());
    }

    #[test]
    fn a_body_without_a_value_and_an_unfinished_one_stay() {
        for body in [quote!(work();), quote!(if a { return; } work();), quote!(let x = ;)] {
            assert_eq!(rewrite(body.clone()), body.to_string());
        }
    }
}
