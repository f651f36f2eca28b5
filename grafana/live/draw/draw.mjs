// node draw.mjs STORY.json FOLDER: photograph every dashboard of a story.
//
// Fails when a page has an error, a panel with a query is empty that does not say so itself, or a graph has no canvas.
import { createServer } from 'node:http';
import { mkdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { chromium } from 'playwright-core';
import sharp from 'sharp';

const [storyFile, folder] = process.argv.slice(2);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };
const dist = new URL('./dist/', import.meta.url).pathname;

const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://here').pathname;
  const file = path === '/story.json' ? storyFile : join(dist, path === '/' ? 'index.html' : path);
  try {
    const content = await readFile(file);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const address = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const complaints = [];
await mkdir(folder, { recursive: true });
const { dashboards } = JSON.parse(await readFile(storyFile, 'utf8'));
for (const name of Object.keys(dashboards)) {
  // As high as the dashboard: what is out of sight, tables do not draw.
  const rows = Math.max(...dashboards[name].panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const page = await browser.newPage({ viewport: { width: 1632, height: 100 + rows * 38 } });
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`));
  // Grafana's server has the fonts; the ones of this machine do.
  await page.route('**/public/fonts/**', (route) => route.fulfill({ body: '' }));
  page.on('console', (message) => message.type() === 'error' && complaints.push(`${name}: ${message.text()}`));
  await page.goto(`${address}?dashboard=${name}`);
  const asked = dashboards[name].panels.filter(({ targets }) => targets).length;
  const drawn = (count) => document.querySelectorAll('[data-ready=true]').length >= count;
  await page.waitForFunction(drawn, asked, { timeout: 30_000 }).catch(() => complaints.push(`${name}: not ready`));
  await page.waitForTimeout(1000);
  for (const panel of await page.locator('[data-panel]').all()) {
    const title = `${name}: ${await panel.getAttribute('data-panel')}`;
    const text = await panel.innerText();
    if (text.includes('No data')) {
      complaints.push(`${title}: no data`);
    } else if ((await panel.getAttribute('data-type')) === 'timeseries' && (await panel.locator('[data-no-data]').count()) === 0) {
      if ((await panel.locator('canvas').count()) !== 1) complaints.push(`${title}: not drawn`);
    }
  }
  const picture = join(folder, name.replace('.json', '.png'));
  await sharp(await page.locator('main').screenshot()).png({ palette: true, colours: 128 }).toFile(picture);
  console.log(`${picture}`);
  await page.close();
}
await browser.close();
server.close();
if (complaints.length) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
