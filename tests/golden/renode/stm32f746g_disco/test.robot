*** Settings ***
Documentation     prog on STM32F746G Discovery (STM32F746NG): outputs, accuracy and instructions in Renode.
Suite Setup       Setup
Suite Teardown    Teardown
Test Setup        Reset Emulation
Resource          ${RENODEKEYWORDS}

*** Variables ***
# Each can be given anew: renode-test --variable MIN_CORRECT:450 test.robot
${FOLDER}              ${CURDIR}
# How many samples inputs.bin holds, and how many have to be classified correctly.
${SAMPLES}             6
${MIN_CORRECT}         6
# Of one inference; inf allows any number.
${MAX_INSTRUCTIONS}    5000
# In seconds of virtual time.
${TIMEOUT}             180

*** Keywords ***
Load The Board
    # The monitor ends a path at a blank that is not escaped.
    ${FOLDER}=    Evaluate    $FOLDER.replace(" ", "\\\\ ")
    Execute Command    emulation SetGlobalAdvanceImmediately true
    Execute Command    emulation SetGlobalQuantum "0.01"
    Execute Command    mach create
    Execute Command    machine LoadPlatformDescription @${FOLDER}/board.repl
    Execute Command    sysbus LoadELF @${FOLDER}/test.elf
    Execute Command    sysbus.cpu VectorTableOffset 0x08000000
    Execute Command    sysbus LoadBinary @${FOLDER}/inputs.bin 0x90000000

Executed Instructions At
    [Arguments]    ${place}
    ${entry}=    Wait For Log Entry    tinyc ${place} (\\d+)    treatAsRegex=true
    ${_}    ${count}=    Should Match Regexp    ${entry}    tinyc ${place} (\\d+)
    RETURN    ${count}

*** Test Cases ***
Outputs Equal The Reference And The Accuracy Is Kept
    Load The Board
    Create Terminal Tester    sysbus.usart1    timeout=${TIMEOUT}
    Start Emulation
    ${line}=    Wait For Line On Uart    (verdict|fault): .*    treatAsRegex=true
    ${text}=    Convert To String    ${line}
    ${_}    ${mismatches}    ${correct}=    Should Match Regexp    ${text}
    ...    verdict: ${SAMPLES} samples, (\\d+) mismatches, (\\d+) correct
    Should Be Equal As Integers    ${mismatches}    0
    Should Be True    ${correct} >= ${MIN_CORRECT}

An Inference Stays Within The Budget Of Instructions
    Load The Board
    Execute Command    sysbus.cpu MaximumBlockSize 1
    Execute Command    sysbus.cpu AddHook `sysbus GetSymbolAddress "prog_run"` "self.InfoLog('tinyc begin ' + str(self.ExecutedInstructions))"
    Execute Command    sysbus.cpu AddHook `sysbus GetSymbolAddress "infer_done"` "self.InfoLog('tinyc end ' + str(self.ExecutedInstructions))"
    Create Log Tester    ${TIMEOUT}
    Start Emulation
    ${before}=    Executed Instructions At    begin
    ${after}=    Executed Instructions At    end
    # The last one calls the marker, and is not the inference's.
    ${count}=    Evaluate    ${after} - ${before} - 1
    Log    ${count} instructions    console=true
    Should Be True    0 < ${count} <= float("${MAX_INSTRUCTIONS}")
