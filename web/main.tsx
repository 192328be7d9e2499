import { render } from 'preact';
import { Page } from './page.tsx';
import { startStore } from './store.ts';

startStore();
const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
