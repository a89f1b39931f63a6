"""The markup around the viewer, in Gradio's template language; {{...}} is escaped. Texts enter as their values."""

from __future__ import annotations

EXAMPLES_TEMPLATE = """
<h2 class="sw-examples-title" data-sw-text="examples_label">{{title}}</h2>
<div class="sw-examples">
  {{#each photos}}<button type="button" class="sw-example" data-index="{{@index}}"
    title="{{this.title}}" data-sw-title="{{this.key}}"><img src="{{this.thumbnail}}" alt="{{this.title}}"
    data-sw-alt="{{this.key}}"></button>{{/each}}
</div>
"""
HEADER_TEMPLATE = """
<header class="sw-masthead"><h1>{{title}}</h1><p data-sw-text="tagline">{{tagline}}</p>
  <button type="button" class="sw-join" data-sw-join data-sw-text="room_join">{{join}}</button>
  <div class="sw-languages" role="group" aria-label="{{label}}" data-sw-label="language_label">
    {{#each languages}}<button type="button" data-sw-language="{{this.code}}"
      lang="{{this.code}}">{{this.name}}</button>{{/each}}
  </div></header>
"""
PHOTO_BOX_TEMPLATE = '<div class="sw-photo-place"></div>'
PRIVACY_TEMPLATE = '<p class="sw-privacy" data-sw-text="privacy">{{words}}</p>'
