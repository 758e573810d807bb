async (page) => {
  return await page.title();
}
