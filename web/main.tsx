import { render } from 'preact';
import { startStore } from './live/store.ts';
import { Page } from './views/page.tsx';

startStore();
const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
