// Swagger UI shows the API's own document, from the same origin. Its validator is another site, so it is off.
const { SwaggerUIBundle } = window;

SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
