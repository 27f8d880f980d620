//! The public interface as a listing, so that no change of it goes unseen.
//!
//! What `lib.rs` exports is looked up in the sources: declarations, public fields, methods, implemented traits. After an
//! intended change: `EDGESYNC_UPDATE=1 cargo test --test library public`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

#[test]
fn the_public_interface_is_as_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = listing(root);
    let path = root.join("docs/public-api.txt");
    if std::env::var_os("EDGESYNC_UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (listed.lines().collect(), found.lines().collect());
    let changes = old.difference(&new).map(|line| format!("- {line}"));
    let changes: Vec<_> = changes.chain(new.difference(&old).map(|line| format!("+ {line}"))).collect();
    assert!(listed == found, "docs/public-api.txt is not up to date:\n{}", changes.join("\n"));
}

fn listing(root: &Path) -> String {
    let mut lines = BTreeSet::new();
    for item in parse(&root.join("src/lib.rs")) {
        let Item::Use(item) = item else { continue };
        if !matches!(item.vis, Visibility::Public(_)) {
            continue;
        }
        let UseTree::Path(path) = &item.tree else { panic!("lib.rs exports whole modules") };
        let sources = sources(root, &path.ident.to_string());
        let feature = features(&item.attrs);
        for name in names(&path.tree) {
            let before = lines.len();
            sources.iter().for_each(|item| describe(item, &name, &feature, &mut lines));
            assert!(lines.len() > before, "{name} is exported, but found nowhere");
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn names(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Group(group) => group.items.iter().flat_map(names).collect(),
        UseTree::Path(path) => names(&path.tree),
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("lib.rs exports under the names that things have"),
    }
}

/// All items of a module and those below it, without its tests.
fn sources(root: &Path, module: &str) -> Vec<Item> {
    let mut paths = vec![root.join("src").join(format!("{module}.rs")), root.join("src").join(module)];
    let mut items = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            paths.extend(entries.filter(|path| path.file_stem().unwrap() != "tests"));
        } else if path.exists() {
            items.extend(parse(&path));
        }
    }
    items
}

fn parse(path: &PathBuf) -> Vec<Item> {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items
}

/// Adds a line for everything that an item says about `name`.
fn describe(item: &Item, name: &str, feature: &str, lines: &mut BTreeSet<String>) {
    let mut add = |line: String| {
        lines.insert(format!("{name}: {line}{feature}"));
    };
    let is_it = |vis: &Visibility, ident: &syn::Ident| matches!(vis, Visibility::Public(_)) && ident == name;
    match item {
        Item::Struct(item) if is_it(&item.vis, &item.ident) => {
            add(format!("{}struct {name}{}", attributes(&item.attrs), text(&item.generics)));
            public_fields(&item.fields).into_iter().for_each(|field| add(format!("field {field}")));
        }
        Item::Enum(item) if is_it(&item.vis, &item.ident) => {
            add(format!("{}enum {name}{}", attributes(&item.attrs), text(&item.generics)));
            for variant in &item.variants {
                let fields = variant.fields.iter().map(|field| match &field.ident {
                    Some(ident) => format!("{ident}: {}", text(&field.ty)),
                    None => text(&field.ty),
                });
                let fields = fields.collect::<Vec<_>>().join(", ");
                add(format!("variant {} {{ {fields} }}", variant.ident));
            }
        }
        Item::Trait(item) if is_it(&item.vis, &item.ident) => {
            add(format!("trait {name}{}: {}", text(&item.generics), text(&item.supertraits)));
            for part in &item.items {
                if let TraitItem::Fn(method) = part {
                    add(text(&method.sig));
                }
            }
        }
        Item::Fn(item) if is_it(&item.vis, &item.sig.ident) => add(text(&item.sig)),
        Item::Type(item) if is_it(&item.vis, &item.ident) => {
            add(format!("type {name}{} = {}", text(&item.generics), text(&item.ty)));
        }
        Item::Const(item) if is_it(&item.vis, &item.ident) => add(format!("const: {}", text(&item.ty))),
        Item::Impl(item) if self_name(&item.self_ty) == Some(name.to_owned()) => {
            if let Some((_, path, _)) = &item.trait_ {
                let (generics, clause) = (text(&item.generics), text(&item.generics.where_clause));
                return add(format!("impl{generics} {} for {} {clause}", text(path), text(&item.self_ty)));
            }
            let (own, clause) = (text(&item.self_ty), text(&item.generics.where_clause));
            let bounds = text(&item.generics.params);
            for part in &item.items {
                match part {
                    ImplItem::Fn(part) if matches!(part.vis, Visibility::Public(_)) => {
                        add(format!("{}<{bounds}>{clause}: {}", own, text(&part.sig)));
                    }
                    ImplItem::Const(part) if matches!(part.vis, Visibility::Public(_)) => {
                        add(format!("const {}: {}", part.ident, text(&part.ty)));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn public_fields(fields: &Fields) -> Vec<String> {
    let public = fields.iter().enumerate().filter(|(_, field)| matches!(field.vis, Visibility::Public(_)));
    let describe = |(index, field): (usize, &syn::Field)| {
        let name = field.ident.as_ref().map_or(index.to_string(), ToString::to_string);
        format!("{name}: {}", text(&field.ty))
    };
    public.map(describe).collect()
}

fn self_name(own: &syn::Type) -> Option<String> {
    let syn::Type::Path(path) = own else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

/// What of the attributes is part of the interface.
fn attributes(attributes: &[Attribute]) -> String {
    let kept = ["derive", "non_exhaustive", "must_use"];
    let kept = attributes.iter().filter(|attribute| kept.iter().any(|name| attribute.path().is_ident(name)));
    kept.map(|attribute| text(attribute) + " ").collect()
}

fn features(attributes: &[Attribute]) -> String {
    let cfg = attributes.iter().find(|attribute| attribute.path().is_ident("cfg"));
    cfg.map_or(String::new(), |attribute| format!("  {}", text(attribute)))
}

/// Tokens as a person would space them, more or less.
fn text(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :", ":"),
        (" ;", ";"),
        ("( ", "("),
        (" (", "("),
        (" )", ")"),
        ("& ", "&"),
        ("# ", "#"),
        ("[ ", "["),
        (" ]", "]"),
        ("' ", "'"),
        (",)", ")"),
        (",>", ">"),
    ] {
        text = text.replace(from, to);
    }
    text.trim_end_matches(',').to_owned()
}
