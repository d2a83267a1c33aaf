/** For the dark bar of the page: three hour buckets and the name, as wide in any font. */
export const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 176 40">
  <title>Meterhouse</title>
  <g fill="#49cc90">
    <rect x="2" y="22" width="7" height="12" rx="1" />
    <rect x="12" y="14" width="7" height="20" rx="1" />
    <rect x="22" y="6" width="7" height="28" rx="1" />
  </g>
  <text x="40" y="28" textLength="134" lengthAdjust="spacingAndGlyphs"
    fill="#fff" font-family="sans-serif" font-size="23" font-weight="600">Meterhouse</text>
</svg>`;

/** Its buckets alone. */
export const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <g fill="#49cc90">
    <rect x="2" y="18" width="8" height="12" rx="1" />
    <rect x="12" y="10" width="8" height="20" rx="1" />
    <rect x="22" y="2" width="8" height="28" rx="1" />
  </g>
</svg>`;
