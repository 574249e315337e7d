"""``output/index.html``: the page that explains an output to who opens its folder, in one file."""
