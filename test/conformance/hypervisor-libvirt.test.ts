import { connectLibvirtHypervisor } from '../../src/libvirt/hypervisor.ts';
import { libvirtHarness } from '../support/libvirt-harness.ts';
import { hypervisorConformance } from './hypervisor.ts';

/** The system's daemon for root, the user's own for anybody else; a test of root's runs it as an ordinary user too. */
hypervisorConformance('libvirt', () => libvirtHarness(connectLibvirtHypervisor));
