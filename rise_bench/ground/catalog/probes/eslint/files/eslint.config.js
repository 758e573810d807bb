module.exports = [{
  files: ["**/*.js"],
  languageOptions: { sourceType: "commonjs" },
  rules: { "no-unused-vars": "error", "eqeqeq": "warn", "prefer-const": "error", "no-undef": "error" },
}];
