//! One Rust file, reduced to what the rules ask about: the paths it names.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A Rust source file.
pub(crate) struct Source {
    /// Relative to the folder of the crate's sources: `merge/index.rs`.
    pub(crate) name: String,
    /// Every path in the code, grouped imports taken apart, `self` and `super` resolved to `crate`.
    /// Comments and strings count for nothing; macro arguments count.
    pub(crate) paths: Vec<NamedPath>,
    /// The file as tokens, for rules about its shape.
    pub(crate) tokens: TokenStream,
    /// Lines before the tests.
    pub(crate) lines: usize,
}

/// A path as the code names it.
#[derive(Debug, PartialEq)]
pub(crate) struct NamedPath {
    /// `["crate", "merge", "index"]`; a glob import ends at its module.
    pub(crate) segments: Vec<String>,
    /// Whether only test code names it.
    pub(crate) in_tests: bool,
}

impl Source {
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let tokens = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut walk = Walk { module: module_of(name), in_tests: is_test_file(name), paths: Vec::new() };
        walk.stream(tokens.clone());
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        Self { name: name.to_owned(), paths: walk.paths, tokens, lines: code.lines().count() }
    }
}

/// The module path of a file: `merge/index.rs` is `crate::merge::index`, `merge/mod.rs` is `crate::merge`.
fn module_of(name: &str) -> Vec<String> {
    let mut module: Vec<_> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    module.insert(0, "crate".to_owned());
    module
}

pub(crate) fn is_test_file(name: &str) -> bool {
    name.trim_end_matches(".rs").split('/').any(|part| part == "tests")
}

struct Walk {
    module: Vec<String>,
    in_tests: bool,
    paths: Vec<NamedPath>,
}

impl Walk {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at..] {
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if word == "mod" =>
                {
                    self.inline_module(&name.to_string(), body.stream());
                    at + 3
                }
                [TokenTree::Ident(_), ..] => self.path(&tokens, at, &[]),
                [TokenTree::Group(group), ..] => {
                    self.stream(group.stream());
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    fn inline_module(&mut self, name: &str, body: TokenStream) {
        let outside = self.in_tests;
        self.in_tests |= name == "tests";
        self.module.push(name.to_owned());
        self.stream(body);
        self.module.pop();
        self.in_tests = outside;
    }

    /// Reads one path from the identifier at `at` and returns where it ends. A group after `::` is an
    /// import list: each of its branches is a path of its own.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        while let Some(TokenTree::Ident(segment)) = tokens.get(at) {
            path.push(segment.to_string());
            at += 1;
            if !is_separator(tokens, at) {
                break;
            }
            at += 2;
            if let Some(TokenTree::Group(group)) = tokens.get(at)
                && group.delimiter() == Delimiter::Brace
            {
                self.branches(group.stream(), &path);
                return at + 1;
            }
        }
        self.add(&path);
        at
    }

    fn branches(&mut self, list: TokenStream, prefix: &[String]) {
        let tokens: Vec<_> = list.into_iter().collect();
        for branch in tokens.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
        {
            match branch.first() {
                Some(TokenTree::Ident(_)) => _ = self.path(branch, 0, prefix),
                Some(_) => self.add(prefix),
                None => {}
            }
        }
    }

    fn add(&mut self, path: &[String]) {
        let mut segments = Vec::new();
        for (place, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "self" if place > 0 => {}
                "self" | "super" if place == 0 => {
                    segments.clone_from(&self.module);
                    segments.truncate(segments.len() - usize::from(segment == "super"));
                }
                "super" => _ = segments.pop(),
                // How the program's main file names the library beside it.
                "onetag" if place == 0 && path.len() > 1 => segments.push("crate".to_owned()),
                _ => segments.push(segment.clone()),
            }
        }
        self.paths.push(NamedPath { segments, in_tests: self.in_tests });
    }
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    [at, at + 1]
        .iter()
        .all(|&place| matches!(tokens.get(place), Some(TokenTree::Punct(punct)) if punct.as_char() == ':'))
}
